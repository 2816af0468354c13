using System.Globalization;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Abi;

/// <summary>What the C headers of this system say, by a program that clang makes of them at test time.</summary>
internal static class Headers
{
    /// <summary>Values of constant C expressions, such as <c>O_CLOEXEC</c> or <c>offsetof(struct iovec, iov_len)</c>.</summary>
    /// <param name="expressions">The expressions; an unknown name fails with clang's words.</param>
    /// <param name="include">One more file to include.</param>
    public static Dictionary<string, long> Evaluate(IEnumerable<string> expressions, string? include = null)
    {
        var wanted = expressions.Distinct().ToList();
        using var scratch = new Scratch();
        var (source, program) = (scratch["values.c"], scratch["values"]);
        var headers = Path.Combine(AppContext.BaseDirectory, "native", "headers.h");
        File.WriteAllText(source, $"""
            #include "{headers}"
            {(include is null ? "" : $"#include \"{include}\"")}
            int main(void) {"{"}
            {string.Join('\n', wanted.Select(expression => $"    printf(\"%lld\\n\", (long long)({expression}));"))}
                return 0;
            {"}"}
            """);
        CProgram.Run("clang", "-std=gnu17", "-w", "-o", program, source);
        var values = CProgram.Run(program).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => long.Parse(line, CultureInfo.InvariantCulture));
        return wanted.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second);
    }
}
