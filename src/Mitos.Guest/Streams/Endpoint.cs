using Mitos.Guest.Loop;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Streams;

/// <summary>
/// Something whose output hosts take by offset: a process, or a connection to a port. While a host is subscribed no byte is
/// dropped: what it has not acknowledged stays in the ring, and a full ring stops the reading.
/// </summary>
internal abstract class Endpoint(ProcessKey key)
{
    private readonly List<Subscription> _subscriptions = [];
    private LoopTimer? _expected;

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

    /// <summary>Its host will subscribe at once: until then, or until the grace has passed, it is treated as if it had.</summary>
    public void Expect(EventLoop loop)
    {
        _expected = loop.After(EndpointTable.GraceMs, () =>
        {
            _expected = null;
            UpdateRings();
        });
        UpdateRings();
    }

    /// <param name="subscription">New.</param>
    /// <param name="from">Per output, where the host wants it from; the oldest byte that is still here when that is gone.</param>
    /// <param name="taken">Per output, how far the host's consumer came: the rest of what the host has counts as not acknowledged.</param>
    public void Subscribe(Subscription subscription, ReadOnlySpan<ulong> from, ReadOnlySpan<ulong> taken)
    {
        for (var i = 0; i < Outputs.Count; i++)
        {
            var ring = Outputs[i].Ring;
            subscription.Sent[i] = Math.Clamp(from[i], ring.Start, ring.End);
            subscription.Acknowledged[i] = Math.Min(taken[i], subscription.Sent[i]);
        }
        _expected?.Cancel();
        _expected = null;
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
            output.Guarded = AlwaysGuarded || _expected is not null || _subscriptions.Count > 0;
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
