using System.Globalization;
using System.Text.RegularExpressions;

namespace Mitos.Linux.Tests.Abi;

/// <summary>One of our C# files, read for the numbers in it. A few regular expressions, enough for the way this project is written.</summary>
internal sealed partial class SourceFile(string path, string text)
{
    public string Path { get; } = path;

    /// <summary>Root of the checkout.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>All C# files below <paramref name="folder"/> of the checkout.</summary>
    public static List<SourceFile> ReadAll(string folder) => Directory.EnumerateFiles(System.IO.Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
        .Select(path => new SourceFile(System.IO.Path.GetRelativePath(Root, path), File.ReadAllText(path))).ToList();

    /// <summary>Values of the file's integer constants, by name. Those that are no plain expression are left out.</summary>
    public Dictionary<string, long> Constants()
    {
        var found = new Dictionary<string, long>();
        foreach (Match declaration in Declarations().Matches(text))
        {
            foreach (var part in WithoutComments(declaration.Groups[1].Value).Split(','))
            {
                if (part.Split('=', 2, StringSplitOptions.TrimEntries) is [var name, var value] && TryEvaluate(value, found) is { } number)
                    found[name] = number;
            }
        }
        return found;
    }

    /// <summary>Numbers that a comment behind them names: <c>0x5414 /* TIOCSWINSZ */</c>, or <c>= 1 | 2; // RTF_UP | RTF_GATEWAY</c>.</summary>
    public IEnumerable<(long Value, string Name)> CommentedNumbers()
    {
        var constants = Constants();
        foreach (Match match in Commented().Matches(text))
        {
            var names = match.Groups["names"].Value.Split(" | ");
            var operands = match.Groups["expression"].Value.Split(" | ");
            if (names.Length > operands.Length)
                throw new InvalidOperationException($"{Path}: '{match.Value}' names more than it has.");
            foreach (var (operand, name) in operands[^names.Length..].Zip(names))
                yield return (TryEvaluate(operand, constants) ?? throw new InvalidOperationException($"{Path}: '{operand}' is no number."), name);
        }
    }

    /// <summary>All calls of functions of the C library.</summary>
    public IEnumerable<LibcCall> Calls()
    {
        var constants = Constants();
        foreach (Match match in LibcCalls().Matches(text))
        {
            var arguments = new List<string> { "" };
            var depth = 1;
            for (var i = match.Index + match.Length; ; i++)
            {
                depth += text[i] is '(' or '[' or '{' ? 1 : text[i] is ')' or ']' or '}' ? -1 : 0;
                if (depth == 0)
                    break;
                if (text[i] == ',' && depth == 1)
                    arguments.Add("");
                else
                    arguments[^1] += text[i];
            }
            yield return new LibcCall(match.Groups[1].Value, arguments.Select(argument => new LibcArgument(argument.Trim(), constants)).ToList());
        }
    }

    /// <summary>A number or an OR or shift of numbers and known constants; null for anything else.</summary>
    internal static long? TryEvaluate(string expression, IReadOnlyDictionary<string, long> constants)
    {
        long value = 0;
        foreach (var operand in expression.Split('|', StringSplitOptions.TrimEntries))
        {
            var factors = operand.Split("<<", StringSplitOptions.TrimEntries).Select(text => TryParse(text, constants)).ToList();
            if (factors.Any(factor => factor is null))
                return null;
            value |= factors.Count == 2 ? factors[0]!.Value << (int)factors[1]!.Value : factors[0]!.Value;
        }
        return value;
    }

    private static long? TryParse(string text, IReadOnlyDictionary<string, long> constants)
    {
        if (constants.TryGetValue(text, out var known))
            return known;
        text = text.TrimEnd('u', 'U', 'l', 'L').Replace("_", "", StringComparison.Ordinal);
        if (text.StartsWith("0x", StringComparison.Ordinal))
            return long.TryParse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var hex) ? hex : null;
        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var plain) ? plain : null;
    }

    internal static string WithoutComments(string text) => Comments().Replace(text, "");

    private static string FindRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(directory, "Mitos.slnx")))
            directory = System.IO.Path.GetDirectoryName(directory) ?? throw new InvalidOperationException($"No checkout of Mitos is above {AppContext.BaseDirectory}.");
        return directory;
    }

    [GeneratedRegex(@"const (?:int|uint|long|ulong|nint|nuint|short|ushort|byte) ([^;]+);")]
    private static partial Regex Declarations();

    [GeneratedRegex(@"(?<expression>-?\w+(?: (?:\||<<) -?\w+)*)(?: /\* (?<names>[A-Z0-9][A-Z0-9_]+(?: \| [A-Z][A-Z0-9_]+)*) \*/|; // (?<names>[A-Z][A-Z0-9_]+(?: \| [A-Z][A-Z0-9_]+)*)$)", RegexOptions.Multiline)]
    private static partial Regex Commented();

    [GeneratedRegex(@"\bLibc\.([A-Z]\w+)\(")]
    private static partial Regex LibcCalls();

    [GeneratedRegex(@"/\*.*?\*/|//[^\n]*", RegexOptions.Singleline)]
    private static partial Regex Comments();
}
