using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>Writes the input of something in a guest, by offset.</summary>
internal sealed class AgentInput : IDisposable
{
    private const int Chunk = 32 << 10;
    private readonly AgentConnection _connection;
    private readonly ProcessKey _key;
    private readonly AgentInputs.Input _input;

    public AgentInput(AgentConnection connection, ProcessKey key) => (_connection, _key, _input) = (connection, key, connection.Inputs.Acquire(key));

    /// <summary>The guest has said how far it came.</summary>
    public void Knows(ulong accepted) => _input.Next ??= accepted;

    /// <summary>Writes input; completes when the guest has room for more.</summary>
    /// <exception cref="AgentException">FailedPrecondition: the input is closed.</exception>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _input.Turn.WaitAsync(cancellationToken);
        try
        {
            for (; bytes.Length > 0; bytes = bytes[Math.Min(Chunk, bytes.Length)..])
                await WritePieceAsync(bytes[..Math.Min(Chunk, bytes.Length)], cancellationToken);
        }
        finally
        {
            _input.Turn.Release();
        }
    }

    /// <summary>The other side reads the end after what was written.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await _input.Turn.WaitAsync(cancellationToken);
        try
        {
            await _connection.RequestAsync(MessageType.CloseStdin, _key.Write, cancellationToken);
        }
        finally
        {
            _input.Turn.Release();
        }
    }

    public void Dispose() => _connection.Inputs.Release(_key);

    private async Task WritePieceAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        // After a piece whose fate is unknown the guest says how far it came.
        var offset = _input.Next ?? await SendAsync(0, default, cancellationToken);
        _input.Next = null;
        await SendAsync(offset, piece, cancellationToken);
        _input.Next = offset + (ulong)piece.Length;
    }

    private async Task<ulong> SendAsync(ulong offset, ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        var answer = await _connection.RequestAsync(MessageType.Stdin, writer =>
        {
            _key.Write(writer);
            writer.Number(offset).Raw(piece.Span);
        }, cancellationToken);
        return new WireReader(answer).Number();
    }
}
