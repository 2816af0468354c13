using System.Runtime.InteropServices;

namespace Mitos.Cli.Terminal;

/// <summary>The first signal to end gives a command up, so that it can clean up; a second one ends this program at once.</summary>
internal sealed class Interruption : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] Signals = [(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1)];
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations;

    public Interruption() => _registrations = Signals.Select(known => PosixSignalRegistration.Create(known.Signal, context =>
    {
        context.Cancel = !_source.IsCancellationRequested;
        ExitCode = 128 + known.Number;
        _source.Cancel();
    })).ToList();

    public CancellationToken Token => _source.Token;

    /// <summary>That of a program which the signal ended.</summary>
    public int ExitCode { get; private set; } = 130;

    public void Dispose() => _registrations.ForEach(registration => registration.Dispose());
}
