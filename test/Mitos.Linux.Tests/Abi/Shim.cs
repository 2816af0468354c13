namespace Mitos.Linux.Tests.Abi;

internal static class Shim
{
    /// <summary>The C file that starts processes, in the engine and in the guest.</summary>
    public static string Source { get; } = Path.Combine(SourceFile.Root, "src/Mitos.Linux/native/spawn.c");
}
