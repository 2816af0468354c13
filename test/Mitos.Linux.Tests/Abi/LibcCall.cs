using System.Text.RegularExpressions;

namespace Mitos.Linux.Tests.Abi;

/// <summary>A call of the C library in our sources.</summary>
internal sealed record LibcCall(string Function, IReadOnlyList<LibcArgument> Arguments)
{
    public override string ToString() => $"{Function}({string.Join(", ", Arguments)})";
}

/// <summary>One argument of it, as it is written.</summary>
internal sealed partial class LibcArgument(string text, IReadOnlyDictionary<string, long> constants)
{
    private string Code => Strings().Replace(SourceFile.WithoutComments(text), "");

    /// <summary>Numbers in it.</summary>
    public IEnumerable<long> Literals => Numbers().Matches(Code).Select(match => SourceFile.TryEvaluate(match.Value, constants)!.Value);

    /// <summary>Numbers in it, and the values of the constants of the same file.</summary>
    public IEnumerable<long> Values => Literals.Concat(Names().Matches(Code).Where(match => constants.ContainsKey(match.Value)).Select(match => constants[match.Value]));

    public override string ToString() => text;

    [GeneratedRegex(@"(?<![\w.\[])(?:0x[0-9A-Fa-f]+|\d+)u?(?![\w.])")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*(?![\w(.])")]
    private static partial Regex Names();

    [GeneratedRegex("\\$?\"[^\"]*\"")]
    private static partial Regex Strings();
}
