using System.Diagnostics;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Observability;

/// <summary>
/// What all machines cost together, cheaply: one that has not worked since it was measured is not measured again, and one reading measures for some
/// milliseconds at most, those first that were measured longest ago. Until all are, the last measure of the others holds.
/// </summary>
internal sealed class MemoryTotals(SandboxStore store)
{
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(50), Idle = TimeSpan.FromMilliseconds(20);
    private readonly Lock _lock = new();
    private Dictionary<Machine, Sample> _samples = [];

    public MemoryUsage Read()
    {
        lock (_lock)
        {
            var started = Stopwatch.GetTimestamp();
            var machines = store.All.Select(sandbox => sandbox.Machine).OfType<Machine>().ToList();
            _samples = machines.Where(_samples.ContainsKey).ToDictionary(machine => machine, machine => _samples[machine]);
            foreach (var machine in machines.OrderBy(machine => _samples.GetValueOrDefault(machine).At))
            {
                if (Stopwatch.GetElapsedTime(started) > Budget)
                    break;
                Measure(machine);
            }
            var all = _samples.Values.Select(sample => sample.Usage).ToList();
            return new MemoryUsage(all.Sum(usage => usage.PrivateBytes), all.Sum(usage => usage.SharedBytes), all.Sum(usage => usage.VmmBytes));
        }
    }

    private void Measure(Machine machine)
    {
        try
        {
            var worked = machine.Vmm.Process.ReadCpuTime();
            if (_samples.TryGetValue(machine, out var last) && worked - last.Worked < Idle)
                _samples[machine] = last with { At = Stopwatch.GetTimestamp() };
            else
                _samples[machine] = new Sample(Stopwatch.GetTimestamp(), worked, MachineMemory.Read(machine));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Linux.LinuxException)
        {
            _samples.Remove(machine); // it has just ended
        }
    }

    private readonly record struct Sample(long At, TimeSpan Worked, MemoryUsage Usage);
}
