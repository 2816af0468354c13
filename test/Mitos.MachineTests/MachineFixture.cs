using System.Reflection;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Engine;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;
using Mitos.MachineTests;
using Mitos.TestKit;
using Xunit.v3;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(MachineFixture))]
[assembly: LeavesNothing]

namespace Mitos.MachineTests;

/// <summary>One real engine for all machine tests, in directories of its own. Its end fails when anything leaked.</summary>
public sealed class MachineFixture : IAsyncLifetime
{
    private readonly EngineScratch _scratch = new();

    public EngineOptions Options => _scratch.Options;

    public HostEngine Engine { get; private set; } = null!;

    public ISandboxes Sandboxes => Engine.Sandboxes;

    /// <summary>The one of this process.</summary>
    internal static MachineFixture? Current { get; private set; }

    public async ValueTask InitializeAsync()
    {
        Current = this;
        Engine = await HostEngine.StartAsync(Options, NullLoggerFactory.Instance);
        await Engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base" }, new Progress<BuildProgress>(), CancellationToken.None);
    }

    /// <summary>Ends the engine as a crash would leave it, machines running, and starts another on the same state.</summary>
    public async Task RestartAsync(EngineOptions? options = null)
    {
        await Engine.DisposeAsync();
        Engine = await HostEngine.StartAsync(options ?? Options, NullLoggerFactory.Instance);
    }

    /// <summary>A sandbox that is removed at the end of the test.</summary>
    public async Task<Lease> CreateAsync(string? name = null) =>
        new(this, (await Sandboxes.CreateAsync(new CreateSandboxSpec { Name = name }, CancellationToken.None)).Id);

    /// <summary>Forks, and fails on any child's error.</summary>
    public async Task<List<SandboxInfo>> ForkAsync(SandboxId source, int count)
    {
        var result = await Sandboxes.ForkAsync(source, new ForkSpec { Count = count }, CancellationToken.None);
        Assert.All(result.Children, child => Assert.Null(child.Error));
        return result.Children.Select(child => child.Sandbox!).ToList();
    }

    /// <summary>Runs a shell command as root and returns its output; fails when it does.</summary>
    public async Task<string> RunAsync(SandboxId id, string command)
    {
        var (code, output) = await TryRunAsync(id, command);
        Assert.True(code == 0, $"`{command}` in {id} ended with {code}: {output}");
        return output;
    }

    public Task<(int Code, string Output)> TryRunAsync(SandboxId id, string command) => TryRunAsync(Sandboxes.Agent(id), command);

    public static async Task<(int Code, string Output)> TryRunAsync(AgentClient agent, string command)
    {
        await using var process = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/bash", "-c", command], User = "root" }, CancellationToken.None);
        var output = new MemoryStream();
        await foreach (var next in process.ReadAsync(CancellationToken.None))
            output.Write(next.Bytes.Span);
        return ((await process.Exit).Code, Encoding.UTF8.GetString(output.ToArray()).TrimEnd('\n'));
    }

    /// <summary>Starts a command that goes on, and returns its process.</summary>
    public Task<AgentProcess> StartAsync(SandboxId id, string command) =>
        Sandboxes.Agent(id).StartAsync(new ProcessSpec { Argv = ["/bin/bash", "-c", command], User = "root" }, CancellationToken.None);

    public async Task RemoveAllAsync()
    {
        foreach (var sandbox in Sandboxes.List())
            await Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
        foreach (var snapshot in Engine.Snapshots.List())
            Engine.Snapshots.Remove(snapshot.Id);
    }

    public async ValueTask DisposeAsync()
    {
        await RemoveAllAsync();
        await Engine.Templates.RemoveAsync("base", CancellationToken.None);
        await Engine.DisposeAsync();
        _scratch.Delete();
    }
}

/// <summary>Removes a sandbox, if it is still there.</summary>
public sealed class Lease(MachineFixture machines, SandboxId id) : IAsyncDisposable
{
    public SandboxId Id => id;

    public async ValueTask DisposeAsync()
    {
        if (machines.Sandboxes.List().Any(sandbox => sandbox.Id == id))
            await machines.Sandboxes.RemoveAsync(id, CancellationToken.None);
    }
}

/// <summary>A test that fails midway leaves no machine to the next one.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class LeavesNothingAttribute : BeforeAfterTestAttribute
{
    public override void After(MethodInfo methodUnderTest, IXunitTest test) => Task.Run(() => MachineFixture.Current?.RemoveAllAsync() ?? Task.CompletedTask).Wait();
}
