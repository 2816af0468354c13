using Mitos.Protocol.Messages;

namespace Mitos.Guest.Sessions;

/// <summary>
/// Answers to the last requests of a client that must not be done twice, and the ids of those under way: a host that connects
/// again sends again what was not answered.
/// </summary>
internal sealed class AnswerCache
{
    private const int Kept = 64;
    private readonly Dictionary<uint, (MessageType Type, byte[] Payload)> _answers = [];
    private readonly Queue<uint> _order = new();
    private readonly HashSet<uint> _running = [];

    public void Clear()
    {
        _answers.Clear();
        _order.Clear();
        _running.Clear();
    }

    public bool TryGet(uint id, out (MessageType Type, byte[] Payload) answer) => _answers.TryGetValue(id, out answer);

    /// <summary>False when it is under way: its answer will come.</summary>
    public bool TryBegin(uint id) => _running.Add(id);

    public void Keep(uint id, MessageType type, ReadOnlySpan<byte> payload)
    {
        _running.Remove(id);
        if (!_answers.TryAdd(id, (type, payload.ToArray())))
            return;
        _order.Enqueue(id);
        if (_order.Count > Kept)
            _answers.Remove(_order.Dequeue());
    }
}
