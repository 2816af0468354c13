using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Mitos.EndToEnd.Hosting;

/// <summary>What a run of a program gave.</summary>
internal sealed record Run(string Command, int Code, byte[] Output, byte[] ErrorBytes)
{
    public string Text => Encoding.UTF8.GetString(Output);

    public string Line => Text.TrimEnd('\n');

    public string[] Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string Error => Encoding.UTF8.GetString(ErrorBytes);

    /// <summary>Fails the test unless it ended with 0.</summary>
    public Run Ok()
    {
        Assert.True(Code == 0, $"{this}");
        return this;
    }

    public T Json<T>(JsonTypeInfo<T> type) => JsonSerializer.Deserialize(Ok().Output, type)!;

    /// <summary>
    /// Fails the test unless it ended with this status, said on standard error what failed (a line <c>mitos: …</c>) and what to do about it
    /// (a line below it), and showed nothing of our insides.
    /// </summary>
    public Run Refused(int code, string message, string remedy = "")
    {
        Assert.True(Code == code, $"{code} was expected: {this}");
        var lines = Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var at = Array.FindIndex(lines, line => line.StartsWith("mitos: ", StringComparison.Ordinal));
        Assert.True(at >= 0 && lines[at].Contains(message, StringComparison.Ordinal), $"'{message}' was expected: {this}");
        var rest = string.Join('\n', lines[(at + 1)..]);
        Assert.True(rest.Trim().Length > 0 && rest.StartsWith("       ", StringComparison.Ordinal), $"no remedy: {this}");
        Assert.Contains(remedy, rest, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", Error, StringComparison.Ordinal);
        return this;
    }

    public override string ToString() => $"`{Command}` ended with {Code}\n{Shown(Text)}\n--- errors\n{Shown(Error)}";

    private static string Shown(string text) => text.Length <= 4000 ? text : text[..2000] + "\n[…]\n" + text[^2000..];
}

/// <summary>Runs programs with an environment of their own.</summary>
internal sealed class Runner(IReadOnlyDictionary<string, string> environment)
{
    /// <summary>No call takes longer on a machine that is alive.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    /// <summary>Runs to the end.</summary>
    /// <param name="program">Path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">Its standard input, which then ends.</param>
    /// <param name="limit">For what takes longer than anything else.</param>
    public async Task<Run> RunAsync(string program, IEnumerable<string> arguments, byte[]? input = null, TimeSpan? limit = null)
    {
        using var process = Start(program, arguments);
        var output = ReadAsync(process.StandardOutput.BaseStream);
        var errors = ReadAsync(process.StandardError.BaseStream);
        var command = $"{Path.GetFileName(program)} {string.Join(' ', process.StartInfo.ArgumentList.Select(argument => argument.Length < 200 ? argument : argument[..200] + "…"))}";
        using var over = new CancellationTokenSource(limit ?? Limit);
        try
        {
            await WriteAsync(process, input ?? []);
            await process.WaitForExitAsync(over.Token);
            return new Run(command, process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"`{command}` did not end within {(limit ?? Limit).TotalMinutes} minutes; so far: {Encoding.UTF8.GetString(await output)} {Encoding.UTF8.GetString(await errors)}");
        }
    }

    /// <summary>Starts a program whose streams the caller uses.</summary>
    public Process Start(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static async Task WriteAsync(Process process, byte[] input)
    {
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // it ended without reading its input, which it may
        }
    }

    private static async Task<byte[]> ReadAsync(Stream stream)
    {
        var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes);
        return bytes.ToArray();
    }
}
