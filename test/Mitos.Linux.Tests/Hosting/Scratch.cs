// Tests count descriptors and children of this process: one at a time.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(Mitos.Linux.Tests.Hosting.ScratchCleaner))]

namespace Mitos.Linux.Tests.Hosting;

/// <summary>A directory of one test, removed with it.</summary>
internal sealed class Scratch : IDisposable
{
    /// <summary>A directory of all tests, removed after the last.</summary>
    public static string Shared { get; } = Directory.CreateTempSubdirectory("mitos-linux-").FullName;

    public string Root { get; } = Directory.CreateTempSubdirectory("mitos-linux-").FullName;

    public string this[string name] => Path.Combine(Root, name);

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

public sealed class ScratchCleaner : IDisposable
{
    public void Dispose() => Directory.Delete(Scratch.Shared, recursive: true);
}
