using System.Runtime.CompilerServices;

namespace Mitos.Guest.Tests.Hosting;

/// <summary>Finds the published agent: the real one is what is tested.</summary>
internal static class AgentBinary
{
    public static string Path { get; } = Find();

    private static string Find([CallerFilePath] string here = "")
    {
        var repository = System.IO.Path.GetFullPath("../../..", System.IO.Path.GetDirectoryName(here)!);
        string?[] folders = [Environment.GetEnvironmentVariable("MITOS_GUEST_DIR"), System.IO.Path.Combine(repository, "artifacts/publish/Mitos.Guest/release_linux-x64")];
        foreach (var folder in folders)
        {
            if (folder is not null && File.Exists(System.IO.Path.Combine(folder, "mitos-guest")))
                return System.IO.Path.Combine(folder, "mitos-guest");
        }
        throw new InvalidOperationException("The agent is not built. Run `dotnet publish src/Mitos.Guest -c Release`, or name its directory in MITOS_GUEST_DIR.");
    }
}
