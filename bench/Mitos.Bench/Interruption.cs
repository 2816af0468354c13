using System.Runtime.InteropServices;

namespace Mitos.Bench;

/// <summary>
/// Signals to end give a benchmark up, so that it ends what it started. None ends it at once: Ctrl-C comes twice, from the terminal and
/// passed on by <c>mitos bench</c>.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] Signals = [(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1)];
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations;

    public Interruption() => _registrations = Signals.Select(known => PosixSignalRegistration.Create(known.Signal, context =>
    {
        context.Cancel = true;
        if (_source.IsCancellationRequested)
            return;
        ExitCode = 128 + known.Number;
        Console.Error.WriteLine("mitos bench: given up; ending what it started");
        _source.Cancel();
    })).ToList();

    public CancellationToken Token => _source.Token;

    /// <summary>That of a program which the signal ended.</summary>
    public int ExitCode { get; private set; }

    public void Dispose() => _registrations.ForEach(registration => registration.Dispose());
}
