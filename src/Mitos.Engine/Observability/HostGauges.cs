using System.Diagnostics.Metrics;
using Mitos.Engine.Capacity;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Observability;

/// <summary>What one engine has now, read when somebody asks.</summary>
internal sealed class HostGauges : IDisposable
{
    private static readonly SandboxState[] States = Enum.GetValues<SandboxState>();
    private readonly Meter _meter = new(EngineMeter.Name);
    private readonly MemoryTotals _memory;

    public HostGauges(SandboxStore store, ShellPool shells, string stateDirectory)
    {
        _memory = new MemoryTotals(store);
        _meter.CreateObservableGauge("mitos.sandboxes", () => CountStates(store), null, "Sandboxes, by state.");
        _meter.CreateObservableGauge("mitos.shells.ready", () => shells.Ready, null, "Shells that wait for a state.");
        _meter.CreateObservableGauge("mitos.machine.memory", () => ReadMemory(), "By", "Memory of all machines of sandboxes, by kind: private, shared (mapped of generations), vmm.");
        _meter.CreateObservableGauge("mitos.host.memory.available", HostCapacity.ReadMemoryAvailable, "By", "MemAvailable of the host.");
        _meter.CreateObservableGauge("mitos.host.disk.free", () => new DriveInfo(stateDirectory).AvailableFreeSpace, "By", "Free on the disk of the state directory.");
    }

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<int>> CountStates(SandboxStore store)
    {
        var counts = new int[States.Length];
        foreach (var sandbox in store.All)
            counts[(int)sandbox.Record.State]++;
        return States.Select(state => new Measurement<int>(counts[(int)state], new KeyValuePair<string, object?>("state", state.ToString().ToLowerInvariant())));
    }

    private IEnumerable<Measurement<long>> ReadMemory()
    {
        var total = _memory.Read();
        return [Of("private", total.PrivateBytes), Of("shared", total.SharedBytes), Of("vmm", total.VmmBytes)];

        static Measurement<long> Of(string kind, long bytes) => new(bytes, new KeyValuePair<string, object?>("kind", kind));
    }
}
