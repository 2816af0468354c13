using System.CommandLine;
using System.Globalization;

namespace Mitos.Cli.Commands;

/// <summary>
/// Answers <c>mitos [suggest:POSITION] LINE</c>, which completion scripts ask: one candidate a line. Options are offered where one is begun,
/// or nothing else could stand.
/// </summary>
internal static class Completion
{
    private const string Directive = "[suggest:";

    /// <returns>Whether it was such a question.</returns>
    public static bool TryAnswer(RootCommand root, string[] args)
    {
        if (args is not [var directive, var line] || !directive.StartsWith(Directive, StringComparison.Ordinal))
            return false;
        if (int.TryParse(directive.AsSpan(Directive.Length).TrimEnd(']'), CultureInfo.InvariantCulture, out var position) && position >= 0 && position <= line.Length)
            Console.Out.Write(string.Concat(Candidates(root, line[..position]).Select(word => word + "\n")));
        return true;
    }

    private static List<string> Candidates(RootCommand root, string line)
    {
        var word = line[(line.LastIndexOfAny([' ', '\t']) + 1)..];
        var words = line[..^word.Length].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Contains("--"))
            return []; // the words of a command in a sandbox
        var found = root.Parse("mitos " + string.Join(' ', words.Skip(1).Append(word))).GetCompletions().Select(item => item.Label)
            .Where(text => text.StartsWith(word, StringComparison.Ordinal) && !text.StartsWith('/')).Distinct().ToList();
        var options = found.Where(text => text.StartsWith("--", StringComparison.Ordinal)).ToList();
        var others = found.Where(text => !text.StartsWith('-')).ToList();
        return word.StartsWith('-') ? options : others.Count > 0 ? others : options;
    }
}
