using System.Security.Cryptography;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>One connection to the agent: a stream, its session, and frames in order. It is used until it breaks.</summary>
internal sealed class AgentLink(Stream stream) : IAsyncDisposable
{
    private readonly SemaphoreSlim _writing = new(1);
    private readonly FrameWriter _writer = new();

    public ulong Session { get; } = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1; // 0 means none

    /// <summary>The other side has answered the greeting.</summary>
    public bool IsGreeted { get; set; }

    /// <summary>Writes one frame. When that fails the connection is over, which its reader sees too.</summary>
    /// <param name="id">Of the request.</param>
    /// <param name="type">Of the request.</param>
    /// <param name="payload">Kept until it is written.</param>
    /// <param name="unless">Asked when it is this frame's turn; true: it is not written.</param>
    public async Task WriteAsync(uint id, MessageType type, ReadOnlyMemory<byte> payload, Func<bool>? unless = null)
    {
        await _writing.WaitAsync();
        try
        {
            if (unless?.Invoke() == true)
                return;
            await stream.WriteAsync(Encode(id, type, payload.Span));
        }
        catch (Exception)
        {
            await stream.DisposeAsync();
        }
        finally
        {
            _writing.Release();
        }
    }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

    public ValueTask DisposeAsync() => stream.DisposeAsync();

    private byte[] Encode(uint id, MessageType type, ReadOnlySpan<byte> payload)
    {
        _writer.Begin().Raw(payload);
        var frame = _writer.Finish(Session, id, type);
        return type == MessageType.Hello ? [0, .. frame] : frame.ToArray(); // the zero ends what an earlier connection left half-written
    }
}
