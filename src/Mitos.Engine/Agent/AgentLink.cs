using System.Buffers;
using System.Security.Cryptography;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>One connection to the agent: a stream, its session, and frames in order. It is used until it breaks.</summary>
internal sealed class AgentLink(Stream stream) : IAsyncDisposable
{
    private static readonly TimeSpan LongestHold = TimeSpan.FromMilliseconds(10);
    private const int MostHeld = 32 << 10;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly FrameWriter _writer = new();
    private readonly ArrayBufferWriter<byte> _held = new();

    public ulong Session { get; } = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1; // 0 means none

    /// <summary>The other side has answered the greeting.</summary>
    public bool IsGreeted { get; set; }

    /// <summary>Writes one frame. When that fails the connection is over, which its reader sees too.</summary>
    /// <param name="id">Of the request.</param>
    /// <param name="type">Of the request.</param>
    /// <param name="payload">Kept until it is written.</param>
    /// <param name="unless">Asked when it is this frame's turn; true: it is not written.</param>
    /// <param name="held">It goes with the next frame, in one write, or alone after 10 ms: each write wakes the guest.</param>
    public async Task WriteAsync(uint id, MessageType type, ReadOnlyMemory<byte> payload, Func<bool>? unless = null, bool held = false)
    {
        await _writing.WaitAsync();
        try
        {
            if (unless?.Invoke() == true)
                return;
            if (held && _held.WrittenCount == 0)
                _ = WriteHeldLaterAsync();
            Encode(id, type, payload.Span);
            if (!held || _held.WrittenCount > MostHeld)
                await WriteHeldAsync();
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

    private void Encode(uint id, MessageType type, ReadOnlySpan<byte> payload)
    {
        if (type == MessageType.Hello)
            _held.Write((ReadOnlySpan<byte>)[0]); // ends what an earlier connection left half-written
        _writer.Begin().Raw(payload);
        _held.Write(_writer.Finish(Session, id, type));
    }

    private async Task WriteHeldAsync()
    {
        await stream.WriteAsync(_held.WrittenMemory);
        _held.ResetWrittenCount();
    }

    private async Task WriteHeldLaterAsync()
    {
        await Task.Delay(LongestHold);
        await _writing.WaitAsync();
        try
        {
            if (_held.WrittenCount > 0)
                await WriteHeldAsync();
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
}
