using Mitos.Engine.Machines;
using Mitos.Probe;

namespace Mitos.Engine.SelfTest;

/// <summary>A machine that runs the probe guest, and the line to it.</summary>
public sealed class ProbeMachine : IAsyncDisposable
{
    internal ProbeMachine(Machine machine, ProbeClient probe) => (Machine, Probe) = (machine, probe);

    public Machine Machine { get; }

    /// <summary>Breaks with each snapshot where the VMM resets its transport; see <see cref="ReconnectAsync"/>.</summary>
    public ProbeClient Probe { get; private set; }

    /// <summary>A new line to the same guest.</summary>
    public async Task ReconnectAsync(CancellationToken cancellationToken)
    {
        await Probe.DisposeAsync();
        Probe = await ProbeClient.ConnectAsync(Machine.Vmm.ConnectAgentAsync, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Probe.DisposeAsync();
        await Machine.DisposeAsync();
    }
}
