using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Spectre.Console;

namespace Mitos.Cli.Terminal;

/// <summary>Data goes to standard output, notes to standard error; colour only where a person looks.</summary>
internal static class Output
{
    private static readonly IAnsiConsole Out = Make();
    private static readonly bool NoColor = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };

    public static void Json<T>(T value, JsonTypeInfo<T> type) => Console.Out.WriteLine(JsonSerializer.Serialize(value, type));

    /// <summary>A list of names.</summary>
    public static void Json(IEnumerable<string> names) => Console.Out.WriteLine($"[{string.Join(',', names.Select(name => $"\"{JsonEncodedText.Encode(name)}\""))}]");

    public static void Line(string text) => Console.Out.WriteLine(text);

    public static void Note(string text) => Console.Error.WriteLine(Console.IsErrorRedirected || NoColor ? text : $"\u001b[2m{text}\u001b[0m");

    public static void Failure(string message, string remedy)
    {
        Console.Error.WriteLine(Console.IsErrorRedirected || NoColor ? $"mitos: {message}" : $"\u001b[31mmitos:\u001b[0m {message}");
        if (remedy.Length > 0)
            Note($"       {remedy}");
    }

    /// <summary>A table with a row for each item; plain columns when nobody looks.</summary>
    public static void Table(string[] columns, IEnumerable<string[]> rows)
    {
        var all = rows.ToList();
        var widths = columns.Select((column, i) => all.Select(row => row[i].Length).Append(column.Length).Max()).ToArray();
        var head = string.Join("  ", columns.Select((column, i) => column.ToUpperInvariant().PadRight(widths[i]))).TrimEnd();
        if (Console.IsOutputRedirected)
            Console.Out.WriteLine(head);
        else
            Out.MarkupLineInterpolated($"[bold]{head}[/]");
        foreach (var row in all)
            Console.Out.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }

    public static void Tree(Tree tree) => Out.Write(tree);

    // What is not a terminal has no width: a line there is a line, and plain.
    private static IAnsiConsole Make()
    {
        var console = AnsiConsole.Console;
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = short.MaxValue;
            console.Profile.Capabilities.Ansi = false;
        }
        return console;
    }

    public static string MiB(long? bytes) => bytes is { } value ? FormattableString.Invariant($"{value / 1048576.0:F1}") : "-";

    public static string Ms(long us) => FormattableString.Invariant($"{us / 1000.0:F1}");

    public static string Age(DateTimeOffset since)
    {
        var age = DateTimeOffset.UtcNow - since;
        return age.TotalSeconds < 120 ? $"{Math.Max(0, (int)age.TotalSeconds)}s" : age.TotalMinutes < 120 ? $"{(int)age.TotalMinutes}m" : age.TotalHours < 48 ? $"{(int)age.TotalHours}h" : $"{(int)age.TotalDays}d";
    }
}
