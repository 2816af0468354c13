using System.Text;
using System.Text.Json;

namespace Mitos.Cli.Tests.Hosting;

/// <summary>What a run of <c>mitos</c> gave.</summary>
public sealed record Result(string Line, int Code, byte[] Bytes, string Errors)
{
    private static readonly string[] NeverShown = ["   at ", "Unhandled", "Exception", "GET ", "PUT ", "/v1/", "\u001b"];

    /// <summary>Its output.</summary>
    public string Output { get; } = Encoding.UTF8.GetString(Bytes);

    /// <summary>Lines of its output.</summary>
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The output, without its last line's end, of a run that ended well.</summary>
    public string Ok()
    {
        Assert.True(Code == 0, $"`{Line}` ended with {Code}\n{Output}\n{Errors}");
        return Output.TrimEnd('\n');
    }

    /// <summary>Its output as JSON, of a run that ended well.</summary>
    public JsonElement Json() => JsonDocument.Parse(Ok()).RootElement;

    /// <summary>A failure that a person understands: what, its state, and what to do; no trace, no address of the API, no colours.</summary>
    /// <param name="code">The exit status.</param>
    /// <param name="words">What it must say.</param>
    public void Refused(int code, params string[] words)
    {
        Assert.True(Code == code, $"`{Line}` ended with {Code} instead of {code}\n{Output}\n{Errors}");
        Assert.StartsWith("mitos: ", Errors[Errors.IndexOf("mitos: ", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Contains("\n       ", Errors, StringComparison.Ordinal); // the remedy
        Assert.All(words, word => Assert.Contains(word, Errors, StringComparison.Ordinal));
        Assert.All(NeverShown, never => Assert.DoesNotContain(never, Errors, StringComparison.Ordinal));
    }
}
