using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mitos.Contracts;
using Spectre.Console;

namespace Mitos.Cli.Terminal;

/// <summary>Data goes to standard output, notes to standard error; colour only where a person looks, and no line is broken here.</summary>
internal static class Output
{
    // A width that no line has: the library would wrap at that of the terminal, and at 80 where there is none.
    private const int Unlimited = 100_000;

    private static readonly IAnsiConsole Out = Console(System.Console.Out);
    private static readonly bool NoColor = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };

    /// <summary>Whether a person looks at standard error.</summary>
    public static bool IsWatched => !System.Console.IsErrorRedirected;

    public static void Json<T>(T value, JsonTypeInfo<T> type) => System.Console.Out.WriteLine(Serialize(value, type));

    public static void Line(string text) => System.Console.Out.WriteLine(text);

    public static void Note(string text) => System.Console.Error.WriteLine(IsWatched && !NoColor ? $"\u001b[2m{text}\u001b[0m" : text);

    /// <summary>Says what failed; as an <see cref="ErrorBody"/> to those who asked for JSON.</summary>
    public static void Failure(ErrorBody error, bool json = false)
    {
        if (json)
        {
            System.Console.Error.WriteLine(Serialize(error, ContractsJson.Default.ErrorBody));
            return;
        }
        System.Console.Error.WriteLine(IsWatched && !NoColor ? $"\u001b[31mmitos:\u001b[0m {error.Message}" : $"mitos: {error.Message}");
        if (error.Remedy.Length > 0)
            Note($"       {error.Remedy}");
    }

    /// <summary>A table with a row for each item, its columns as wide as their content.</summary>
    public static void Table(string[] columns, IEnumerable<string[]> rows)
    {
        var all = rows.ToList();
        var widths = columns.Select((column, i) => all.Select(row => row[i].Length).Append(column.Length).Max()).ToArray();
        Out.MarkupLineInterpolated($"[bold]{Format(columns.Select(column => column.ToUpperInvariant()))}[/]");
        foreach (var row in all)
            Line(Format(row));

        string Format(IEnumerable<string> cells) => string.Join("  ", cells.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd();
    }

    public static void Tree(Tree tree) => Out.Write(tree);

    /// <summary>The console of a writer.</summary>
    public static IAnsiConsole Console(TextWriter writer)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        console.Profile.Width = Unlimited;
        return console;
    }

    public static string MiB(long? bytes) => bytes is { } value ? FormattableString.Invariant($"{value / 1048576.0:F1}") : "-";

    public static string Ms(long us) => FormattableString.Invariant($"{us / 1000.0:F1}");

    /// <summary>One of something, or several.</summary>
    public static string Count(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}{(what.EndsWith('x') ? "es" : "s")}";

    /// <summary>How long ago it was, in whole units that have passed.</summary>
    public static string Age(DateTimeOffset since) => Span(DateTimeOffset.UtcNow - since, Math.Floor);

    /// <summary>How long it is until then, to the nearest unit: what was asked for a moment ago is shown as it was asked for.</summary>
    public static string Left(DateTimeOffset until) => Span(until - DateTimeOffset.UtcNow, Math.Round);

    // In the largest unit that says enough; nothing is less than nothing.
    private static string Span(TimeSpan time, Func<double, double> whole) =>
        whole(time.TotalSeconds) is < 120 and var seconds ? $"{(int)Math.Max(0, seconds)}s"
        : whole(time.TotalMinutes) is < 120 and var minutes ? $"{(int)minutes}m"
        : whole(time.TotalHours) is < 48 and var hours ? $"{(int)hours}h" : $"{(int)whole(time.TotalDays)}d";

    // As people write it: this is no web page, in which quotes would be escaped.
    private static string Serialize<T>(T value, JsonTypeInfo<T> type)
    {
        var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            JsonSerializer.Serialize(writer, value, type);
        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }
}
