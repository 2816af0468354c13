using System.Runtime.CompilerServices;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>A process in a guest whose output this host takes. A slow consumer slows the process down.</summary>
public sealed class AgentProcess : IAsyncDisposable
{
    private readonly AgentConnection _connection;
    private readonly AgentChannel _channel;

    internal AgentProcess(AgentConnection connection, AgentChannel channel) => (_connection, _channel) = (connection, channel);

    public ProcessKey Key => _channel.Key;

    public int Pid => _channel.Pid;

    /// <summary>Completes when the process has ended and all its output came; fails when the machine is gone.</summary>
    public Task<ProcessExit> Exit => _channel.Exit;

    /// <summary>All output from here on, then the end. One consumer.</summary>
    /// <exception cref="AgentException">The machine is gone.</exception>
    public async IAsyncEnumerable<ProcessEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var next in _channel.Events.ReadAllAsync(cancellationToken))
        {
            yield return next;
            _channel.Take(next);
        }
    }

    /// <summary>Writes input; completes when the guest has room for more.</summary>
    /// <exception cref="AgentException">FailedPrecondition: its input is closed, or it has ended.</exception>
    public Task WriteStdinAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _channel.WriteAsync(bytes, cancellationToken);

    /// <summary>The process reads the end of its input.</summary>
    public Task CloseStdinAsync(CancellationToken cancellationToken) => _channel.CloseInputAsync(cancellationToken);

    /// <param name="signal">Number, 1 to 64.</param>
    /// <param name="group">To the whole process group.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="AgentException">FailedPrecondition: it has ended.</exception>
    public Task SignalAsync(int signal, bool group, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Signal, writer =>
        {
            Key.Write(writer);
            writer.Number(signal).Flag(group);
        }, cancellationToken);

    /// <exception cref="AgentException">FailedPrecondition: it has no terminal, or has ended.</exception>
    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Resize, writer =>
        {
            Key.Write(writer);
            writer.Number(size.Rows).Number(size.Columns);
        }, cancellationToken);

    /// <summary>Takes no more output. The process lives on.</summary>
    public ValueTask DisposeAsync() => _channel.DisposeAsync();
}
