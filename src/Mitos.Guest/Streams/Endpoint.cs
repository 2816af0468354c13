using Mitos.Protocol.Messages;

namespace Mitos.Guest.Streams;

/// <summary>
/// Something whose output hosts take by offset: a process, or a connection to a port. While a host is subscribed no byte is
/// dropped: what it has not acknowledged stays in the ring, and a full ring stops the reading.
/// </summary>
internal abstract class Endpoint(ProcessKey key)
{
    private readonly List<Subscription> _subscriptions = [];

    public ProcessKey Key { get; } = key;

    public int Pid { get; protected init; }

    /// <summary>One or two.</summary>
    public abstract IReadOnlyList<OutputChannel> Outputs { get; }

    /// <summary>Null: it takes no input.</summary>
    public abstract InputChannel? Input { get; }

    public IReadOnlyList<Subscription> Subscriptions => _subscriptions;

    /// <summary>Whether unacknowledged bytes are kept even when no host is there.</summary>
    protected virtual bool AlwaysGuarded => false;

    /// <summary>True when no more output will come; then how it ended.</summary>
    public abstract bool TryGetEnd(out int code, out int signal);

    public void Subscribe(Subscription subscription, ulong stdoutFrom, ulong stderrFrom)
    {
        for (var i = 0; i < Outputs.Count; i++)
        {
            var ring = Outputs[i].Ring;
            subscription.Sent[i] = subscription.Acknowledged[i] = Math.Clamp(i == 0 ? stdoutFrom : stderrFrom, ring.Start, ring.End);
        }
        _subscriptions.Add(subscription);
        UpdateRings();
    }

    public void Unsubscribe(Subscription subscription)
    {
        _subscriptions.Remove(subscription);
        UpdateRings();
    }

    /// <summary>The host has taken an output up to an offset.</summary>
    public void Acknowledge(Subscription subscription, OutputStream stream, ulong offset)
    {
        var index = (int)stream - 1;
        if (index < 0 || index >= Outputs.Count)
            return;
        subscription.Acknowledged[index] = Math.Max(subscription.Acknowledged[index], Math.Min(offset, subscription.Sent[index]));
        UpdateRings();
    }

    /// <summary>Takes the next bytes that the subscription was not sent.</summary>
    public bool TryTake(Subscription subscription, Span<byte> target, out OutputStream stream, out ulong offset, out int count)
    {
        for (var i = 0; i < Outputs.Count; i++)
        {
            var ring = Outputs[i].Ring;
            stream = (OutputStream)(i + 1);
            offset = Math.Max(subscription.Sent[i], ring.Start);
            count = ring.Read(offset, target);
            subscription.Sent[i] = offset + (ulong)count;
            if (count > 0)
                return true;
        }
        (stream, offset, count) = (default, 0, 0);
        return false;
    }

    private void UpdateRings()
    {
        for (var i = 0; i < Outputs.Count; i++)
        {
            var output = Outputs[i];
            output.Guarded = AlwaysGuarded || _subscriptions.Count > 0;
            var lowest = ulong.MaxValue;
            foreach (var subscription in _subscriptions)
                lowest = Math.Min(lowest, subscription.Acknowledged[i]);
            if (_subscriptions.Count > 0)
                output.Ring.Acknowledged = lowest;
            output.Resume();
        }
        RoomMade();
    }

    /// <summary>A ring may have room again.</summary>
    protected virtual void RoomMade()
    {
    }
}
