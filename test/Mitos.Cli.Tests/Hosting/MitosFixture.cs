using Mitos.Cli.Tests.Hosting;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(MitosFixture))]

namespace Mitos.Cli.Tests.Hosting;

/// <summary>One installation with a daemon and the template <c>base</c>, for all tests. Each test leaves it so, without sandboxes. The end fails when anything leaked.</summary>
public sealed class MitosFixture : IAsyncLifetime
{
    public Installation Mitos { get; } = new();

    /// <summary>What the first start said.</summary>
    public Result FirstUp { get; private set; } = null!;

    public async ValueTask InitializeAsync() => (FirstUp = await Mitos.RunAsync("up")).Ok();

    public async ValueTask DisposeAsync()
    {
        if ((await Mitos.RunAsync("status")).Code != 0)
            await Mitos.UpAsync(); // a test that failed may have left it ended
        await Mitos.RemoveAllAsync();
        foreach (var name in (await Mitos.RunAsync("template", "ls", "--json")).Json().EnumerateArray().Select(template => template.Text("name")).OrderBy(name => name == "base").ToList())
            (await Mitos.RunAsync("template", "rm", name)).Ok();
        await Mitos.DownAsync();
        Mitos.Delete();
    }
}
