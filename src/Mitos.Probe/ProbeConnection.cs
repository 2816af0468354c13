using System.Security.Cryptography;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Probe;

/// <summary>Requests and answers over one stream, one at a time. Frames that answer nothing of ours are dropped: a child may begin with its source's.</summary>
internal sealed class ProbeConnection(Stream stream) : IAsyncDisposable
{
    private readonly ulong _session = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
    private readonly FrameWriter _writer = new();
    private readonly FrameReader _reader = new();
    private readonly SemaphoreSlim _one = new(1);
    private readonly byte[] _buffer = new byte[16 << 10];
    private uint _lastId;

    /// <summary>Sends a request and returns the payload of its answer.</summary>
    /// <exception cref="ProbeException">It was refused.</exception>
    /// <exception cref="IOException">The stream broke. The request may have been carried out.</exception>
    public async Task<byte[]> RequestAsync(MessageType type, Action<WireWriter>? write, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var id = ++_lastId;
            await stream.WriteAsync(Encode(id, type, write), cancellationToken);
            while (true)
            {
                var got = await stream.ReadAsync(_buffer, cancellationToken);
                if (got == 0)
                    throw new IOException("The machine closed the probe's stream.");
                (MessageType Type, byte[] Payload)? answer = null;
                _reader.Push(_buffer.AsSpan(0, got), (in Frame frame) =>
                {
                    if (frame.Session == _session && frame.Id == id)
                        answer = (frame.Type, frame.Payload.ToArray());
                });
                if (answer is { } found)
                    return found.Type == MessageType.Ok ? found.Payload : throw ReadError(found.Payload);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        _one.Dispose();
    }

    // The zero ends whatever another host left unfinished.
    private byte[] Encode(uint id, MessageType type, Action<WireWriter>? write)
    {
        write?.Invoke(_writer.Begin());
        if (write is null)
            _writer.Begin();
        return [0, .. _writer.Finish(_session, id, type)];
    }

    private static ProbeException ReadError(byte[] payload)
    {
        var reader = new WireReader(payload);
        var code = (AgentErrorCode)reader.Int32();
        reader.Int32();
        var text = reader.Text();
        return reader.Failed ? new ProbeException(AgentErrorCode.Internal, "The probe sent an error that makes no sense.") : new ProbeException(code, $"The probe refused: {text}.");
    }
}
