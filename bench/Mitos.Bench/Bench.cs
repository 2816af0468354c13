using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Engine;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;

namespace Mitos.Bench;

/// <summary>An engine in directories of its own, and the few things that every benchmark does with it.</summary>
internal sealed class Bench : IAsyncDisposable
{
    private Bench(EngineOptions options, HostEngine engine, CancellationToken ending) => (Options, Engine, Ending) = (options, engine, ending);

    public EngineOptions Options { get; }

    public HostEngine Engine { get; }

    /// <summary>Set when the benchmark is given up: what it does next ends with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Ending { get; }

    public ISandboxes Sandboxes => Engine.Sandboxes;

    public static async Task<Bench> StartAsync(EngineOptions vmm, string guestDirectory, int warmShells, CancellationToken ending)
    {
        var id = Guid.NewGuid().ToString("n")[..6];
        var options = vmm with { StateDirectory = $"/var/tmp/mitos-bench-{id}", RunDirectory = $"/tmp/mb-{id}", GuestDirectory = guestDirectory, WarmShells = warmShells };
        var engine = await HostEngine.StartAsync(options, NullLoggerFactory.Instance);
        var bench = new Bench(options, engine, ending);
        try
        {
            await engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base" }, new Progress<BuildProgress>(), ending);
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    public async Task<SandboxId> CreateAsync(int? memoryMiB = null) =>
        (await Sandboxes.CreateAsync(new CreateSandboxSpec { MemoryMiB = memoryMiB }, Ending)).Id;

    public async Task<ForkResult> ForkAsync(SandboxId source, int count)
    {
        var result = await Sandboxes.ForkAsync(source, new ForkSpec { Count = count }, Ending);
        var failed = result.Children.FirstOrDefault(child => child.Error is not null);
        return failed is null ? result : throw new InvalidOperationException($"child {failed.Index} failed: {failed.Error!.Message}");
    }

    public async Task<string> RunAsync(SandboxId id, params string[] argv)
    {
        var agent = Sandboxes.Agent(id);
        var spec = new ProcessSpec { Argv = argv, User = "root", Directory = "/" };
        await using var process = await agent.StartAsync(spec, Ending);
        var output = new MemoryStream();
        await foreach (var next in process.ReadAsync(Ending))
            output.Write(next.Bytes.Span);
        var code = (await process.Exit).Code;
        return code == 0 ? Encoding.UTF8.GetString(output.ToArray()).Trim() : throw new InvalidOperationException($"`{string.Join(' ', argv)}` ended with {code}");
    }

    public Task RemoveAsync(SandboxId id) => Sandboxes.RemoveAsync(id, CancellationToken.None);

    public async Task RemoveAsync(ForkResult fork)
    {
        foreach (var child in fork.Children)
            await RemoveAsync(child.Sandbox!.Id);
    }

    public static async Task<double> TimeMsAsync(Func<Task> action)
    {
        var started = Stopwatch.GetTimestamp();
        await action();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var sandbox in Sandboxes.List())
            await RemoveAsync(sandbox.Id);
        await Engine.DisposeAsync();
        Directory.Delete(Options.StateDirectory, recursive: true);
        Directory.Delete(Options.RunDirectory, recursive: true);
    }
}
