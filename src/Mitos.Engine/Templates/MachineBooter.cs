using System.Text;
using Mitos.Engine.Agent;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Templates;

/// <summary>Boots Debian's kernel with our agent as its first process on a disk that has Debian's files.</summary>
internal sealed class MachineBooter(EngineOptions options, MachineHost host)
{
    private static readonly TimeSpan BootLimit = TimeSpan.FromMinutes(3);
    private Kernel? _kernel;

    /// <summary>Path of the agent.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it is missing.</exception>
    public string FindAgent()
    {
        var agent = Path.Combine(options.GuestDirectory, "mitos-guest");
        return File.Exists(agent) ? agent
            : throw new SandboxException(ErrorCode.FailedPrecondition, $"The guest agent {agent} is missing.", "Build it with `./mitos build`, or name its directory in MITOS_GUEST_DIR.");
    }

    /// <summary>The kernel of the cache, or Debian's present one, which then is in the cache.</summary>
    /// <param name="refresh">Whether Debian is asked again in the life of this engine.</param>
    /// <param name="line">Takes the output of tools.</param>
    /// <param name="cancellationToken">Ends the download.</param>
    public async Task<Kernel> FindKernelAsync(bool refresh, Action<string> line, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.CacheDirectory);
        return _kernel is { } known && !refresh && File.Exists(known.Image) ? known : _kernel = await new KernelPackage(options.CacheDirectory).GetAsync(line, cancellationToken);
    }

    /// <summary>Boots, and returns when the agent answers.</summary>
    /// <param name="shape">Of the machine.</param>
    /// <param name="disk">Its disk; a layer of its own takes its writes.</param>
    /// <param name="subject">What is booted, for messages.</param>
    /// <param name="cancellationToken">Ends the waiting, and the machine.</param>
    /// <exception cref="SandboxException">Unavailable: it did not come up.</exception>
    public async Task<BootedMachine> BootAsync(MachineShape shape, DiskStack disk, string subject, CancellationToken cancellationToken)
    {
        var kernel = await FindKernelAsync(refresh: false, _ => { }, cancellationToken);
        var initramfs = Path.Combine(options.RunDirectory, $"initramfs-{VmmId.New()}");
        var memory = MemoryFile.Create("boot", shape.MemoryBytes);
        Machine? machine = null;
        AgentClient? agent = null;
        try
        {
            Initramfs.Write(initramfs, FindAgent(), [.. kernel.ModulesFor(host.Driver.Facts.Agent)]);
            File.SetUnixFileMode(initramfs, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            machine = await Task.Run(() => host.StartBooting(shape, memory, disk, new BootSource(kernel.Image, initramfs, "mitos.root=/dev/vda"), network: false), cancellationToken);
            agent = MachineAgent.Open(machine, subject);
            await AwaitAgentAsync(agent, machine, cancellationToken);
            return new BootedMachine(machine, memory, agent);
        }
        catch
        {
            if (agent is not null)
                await agent.DisposeAsync();
            if (machine is not null)
                await machine.DisposeAsync();
            memory.Dispose();
            throw;
        }
        finally
        {
            File.Delete(initramfs);
        }
    }

    private static async Task AwaitAgentAsync(AgentClient client, Machine machine, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(BootLimit);
        try
        {
            await client.ConnectAsync(limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or AgentException && !cancellationToken.IsCancellationRequested)
        {
            var console = machine.Vmm.Process.HasExited ? "" : Encoding.UTF8.GetString(machine.Vmm.ReadConsole(Deadline.In(TimeSpan.FromSeconds(5))));
            throw new SandboxException(ErrorCode.Unavailable, $"The guest did not come up within {BootLimit.TotalSeconds:F0} s. Its console ends with: {console[Math.Max(0, console.Length - 600)..]}", "Try again; `mitos doctor` checks this host.", e);
        }
    }
}

/// <summary>A machine that was booted: its memory file, not sealed, holds all of its memory.</summary>
internal sealed record BootedMachine(Machine Machine, MemoryFile Memory, AgentClient Agent) : IAsyncDisposable
{
    /// <summary>Whether somebody else has its memory file now.</summary>
    public bool MemoryTaken { get; set; }

    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        await Machine.DisposeAsync();
        if (!MemoryTaken)
            Memory.Dispose();
    }
}
