using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>A request that is not answered yet, kept to be sent again by the next connection.</summary>
internal sealed class PendingRequest(uint id, MessageType type, byte[] payload)
{
    private const int MaxAnswer = 8 << 20;
    private readonly List<byte[]> _parts = [];
    private int _length;

    public uint Id { get; } = id;

    public MessageType Type { get; } = type;

    public byte[] Payload { get; } = payload;

    /// <summary>The connection that it was sent by last; each sends it once.</summary>
    public ulong SentBy { get; set; }

    public TaskCompletionSource<byte[]> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A new connection brings the answer from its beginning.</summary>
    public void Restart()
    {
        _length = 0;
        _parts.Clear();
    }

    /// <summary>False when the answer is longer than any can be.</summary>
    public bool Add(byte[] part)
    {
        _length += part.Length;
        if (_length > MaxAnswer)
            return false;
        _parts.Add(part);
        return true;
    }

    public void Complete(byte[] last)
    {
        if (_parts.Count == 0)
        {
            Answer.TrySetResult(last);
            return;
        }
        _parts.Add(last);
        var whole = new byte[_length + last.Length];
        var at = 0;
        foreach (var part in _parts)
        {
            part.CopyTo(whole, at);
            at += part.Length;
        }
        Answer.TrySetResult(whole);
    }
}
