using System.Text.Json.Nodes;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Lifecycles;

/// <summary>What becomes of a lease when its sandbox is seen as it is, and the events of that.</summary>
internal static class Transition
{
    /// <returns>The lease as it is to be, null: it is to go; and what happened, in order. The same lease and no events: nothing did.</returns>
    public static (Lease? Next, List<LifecycleEvent> Events) Of(Lease lease, SandboxInfo? info, DateTimeOffset now)
    {
        if (info is null)
            return (null, lease.State is LeaseState.Running or LeaseState.Paused ? [LifecycleEvent.Of(EventTypes.Killed, lease, null, now)] : []);
        if (info.State == SandboxState.Starting)
            return (lease, []);
        var events = new List<LifecycleEvent>();
        if (lease.State == LeaseState.Pending)
        {
            lease = Begin(lease, info);
            events.Add(LifecycleEvent.Of(EventTypes.Created, lease, info, info.CreatedAt, Origin(info)));
        }
        switch (info.State, lease.State)
        {
            case (SandboxState.Running, LeaseState.Paused or LeaseState.Stopped):
                lease = lease with { State = LeaseState.Running, ExecutionId = Guid.NewGuid().ToString(), StartedAtMs = now.ToUnixTimeMilliseconds() };
                events.Add(LifecycleEvent.Of(EventTypes.Resumed, lease, info, now));
                break;
            case (SandboxState.Paused, LeaseState.Running or LeaseState.Stopped):
                lease = lease with { State = LeaseState.Paused };
                events.Add(LifecycleEvent.Of(EventTypes.Paused, lease, info, now));
                break;
            case (SandboxState.Stopped, LeaseState.Running or LeaseState.Paused):
                lease = lease with { State = LeaseState.Stopped };
                events.Add(LifecycleEvent.Of(EventTypes.Killed, lease, null, info.StoppedAt ?? now));
                break;
        }
        return (lease, events);
    }

    /// <summary>What happened to the sources of children that begin: one event for each fork.</summary>
    public static IEnumerable<LifecycleEvent> Forks(IReadOnlyCollection<(Lease Lease, SandboxInfo Info)> begun, Func<string, Lease?> find) =>
        begun.Where(child => child.Info is { ForkId: not null, ForkedFrom: not null }).GroupBy(child => (child.Info.ForkId, Source: child.Info.ForkedFrom!.Value.ToString())).Select(fork =>
        {
            var first = fork.First();
            var source = find(fork.Key.Source) ?? new Lease { Id = fork.Key.Source, TeamId = first.Lease.TeamId, Template = first.Lease.Template, StartedAtMs = 0, EndAtMs = 0 };
            return LifecycleEvent.Of(EventTypes.Forked, source, null, fork.Min(child => child.Info.CreatedAt), new JsonObject
            {
                ["fork_id"] = fork.Key.ForkId,
                ["children"] = new JsonArray([.. fork.OrderBy(child => child.Info.ForkIndex).Select(child => (JsonNode)child.Lease.Id)]),
            });
        });

    // Its time begins when it can be used.
    private static Lease Begin(Lease lease, SandboxInfo info)
    {
        var start = info.CreatedAt.ToUnixTimeMilliseconds();
        return lease with
        {
            State = LeaseState.Running,
            ExecutionId = Guid.NewGuid().ToString(),
            StartedAtMs = start,
            EndAtMs = lease is { HasEnd: true, StartedAtMs: > 0 } ? start + (lease.EndAtMs - lease.StartedAtMs) : lease.EndAtMs,
        };
    }

    private static JsonObject? Origin(SandboxInfo info) => info is { ForkId: { } fork, ForkedFrom: { } source }
        ? new JsonObject { ["forked_from"] = source.ToString(), ["fork_id"] = fork }
        : null;
}
