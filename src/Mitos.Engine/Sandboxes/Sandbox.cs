using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;

namespace Mitos.Engine.Sandboxes;

/// <summary>A sandbox with its machine, while it has one.</summary>
internal sealed class Sandbox
{
    private const int MaxConsole = 1 << 20;
    private readonly Lock _console = new();
    private byte[] _consoleBytes = [];
    private volatile SandboxRecord _record;
    private volatile Task? _pausing;

    public Sandbox(SandboxRecord record, Machine? machine, AgentClient? agent)
    {
        _record = record;
        Id = SandboxId.Parse(record.Id);
        Machine = machine;
        Agent = agent;
        if (record.State == SandboxState.Stopped)
            Stopped.SetResult();
    }

    public SandboxId Id { get; }

    public SandboxRecord Record
    {
        get => _record;
        set => _record = value;
    }

    /// <summary>Null when it does not run.</summary>
    public Machine? Machine { get; set; }

    public AgentClient? Agent { get; set; }

    /// <summary>Held while the machine is captured, flattened or ended: one at a time, in the order of asking.</summary>
    public SemaphoreSlim Gate { get; } = new(1);

    /// <summary>Completes when the pause that is under way has succeeded or failed; null: none is. Set by who holds the gate.</summary>
    public Task? Pausing
    {
        get => _pausing;
        set => _pausing = value;
    }

    public TaskCompletionSource Stopped { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set when somebody removes it, so that its machine's end is no surprise.</summary>
    public bool Removing { get; set; }

    /// <summary>The machine, for an operation that needs it running.</summary>
    /// <exception cref="SandboxException">FailedPrecondition.</exception>
    public Machine RunningMachine(string what) => Machine ?? throw NotRunning(what);

    public AgentClient RunningAgent(string what) => Agent ?? throw NotRunning(what);

    /// <summary>All of the console that is known, at most 1 MiB, the newest.</summary>
    public byte[] TakeConsole()
    {
        lock (_console)
        {
            if (Machine is { } machine && !machine.Vmm.Process.HasExited)
            {
                try
                {
                    var news = machine.Vmm.ReadConsole(Linux.Deadline.In(TimeSpan.FromSeconds(5)));
                    _consoleBytes = [.. _consoleBytes, .. news];
                    _consoleBytes = _consoleBytes[Math.Max(0, _consoleBytes.Length - MaxConsole)..];
                }
                catch (VmmException)
                {
                    // it ended in between: what is known already is shown
                }
            }
            return _consoleBytes;
        }
    }

    public SandboxInfo Describe()
    {
        var record = _record;
        return new SandboxInfo
        {
            Id = Id,
            Name = record.Name,
            State = record.State,
            FilesOnly = record.FilesOnly,
            Template = record.Template,
            Generation = record.Machine.Generation.Id,
            GenerationBytes = record.Machine.Generation.ImageBytes,
            CpuCount = record.Machine.Generation.Shape.CpuCount,
            MemoryMiB = record.Machine.Generation.Shape.MemoryMiB,
            DiskMiB = record.Machine.Generation.Shape.DiskMiB,
            CreatedAt = record.CreatedAt,
            StoppedAt = record.StoppedAt,
            StopReason = record.StopReason,
            ForkedFrom = record.Lineage.Count > 0 ? SandboxId.Parse(record.Lineage[^1]) : null,
            Lineage = record.Lineage.Select(SandboxId.Parse).ToList(),
            ForkId = record.ForkId,
            ForkIndex = record.ForkIndex,
            Environment = record.Environment,
            Metadata = record.Metadata,
            AccessToken = record.AccessToken,
            VmmPid = record.State == SandboxState.Running ? record.Machine.Pid : null,
            DiskLayers = record.Machine.Frozen.Count + 1,
        };
    }

    /// <summary>The refusal of what its state does not allow.</summary>
    public SandboxException NotRunning(string what) => new(ErrorCode.FailedPrecondition,
        $"Sandbox '{Id}' is {_record.State.ToString().ToLowerInvariant()}{(_record.StopReason is { } reason ? $" ({reason})" : "")} and cannot be {what}.",
        _record.State == SandboxState.Paused ? $"Resume it first: `mitos resume {Id}`." : $"Only a running sandbox can be; remove it with `mitos rm {Id}`.");
}
