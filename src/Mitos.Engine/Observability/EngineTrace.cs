using System.Diagnostics;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Observability;

/// <summary>Spans of the engine's operations: nothing is made unless somebody listens. They have ids, counts and times, never contents, environments or tokens.</summary>
public static class EngineTrace
{
    public const string Name = "Mitos.Engine";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>A span under the present one; null: nobody listens.</summary>
    internal static Activity? Start(string name, string? sandbox = null)
    {
        var span = Source.StartActivity(name);
        if (sandbox is not null)
            span?.SetTag("mitos.sandbox", sandbox);
        return span;
    }

    /// <summary>A request to an agent, if it belongs to something: those that only look after guests are many.</summary>
    internal static Activity? Ask(MessageType type)
    {
        var span = Activity.Current is { IsStopped: false } ? Source.StartActivity("agent request") : null;
        span?.SetTag("mitos.agent.message", type.ToString());
        return span;
    }

    /// <summary>It ended by an error; of that the class and code, as a message may name what a user named.</summary>
    internal static void Fail(Activity? span, Exception e) =>
        span?.SetStatus(ActivityStatusCode.Error, e is SandboxException refusal ? refusal.Code.ToString() : e.GetType().Name);

    /// <summary>Spans of what is over, one after the other from an instant on.</summary>
    /// <param name="parent">Null: nobody listens.</param>
    /// <param name="started">When the first began, by <see cref="Stopwatch"/>.</param>
    /// <param name="steps">Names, and how long each took.</param>
    internal static void Steps(Activity? parent, long started, params ReadOnlySpan<(string Name, TimeSpan Duration)> steps)
    {
        if (parent is null || !Source.HasListeners())
            return;
        var at = DateTime.UtcNow - Stopwatch.GetElapsedTime(started);
        foreach (var (name, duration) in steps)
        {
            using var span = Source.StartActivity(name, ActivityKind.Internal, parent.Context, startTime: at);
            at += duration;
            span?.SetEndTime(at);
        }
    }

    /// <summary>The pause of a fork, told after it.</summary>
    /// <param name="parent">Of the fork; null: nobody listens.</param>
    /// <param name="started">When the fork began, by <see cref="Stopwatch"/>.</param>
    /// <param name="timings">Of the fork.</param>
    internal static void Pause(Activity? parent, long started, ForkTimings timings)
    {
        Steps(parent, started, ("fork prepare", timings.Prepare));
        if (parent is null || !Source.HasListeners() || timings.Pause == TimeSpan.Zero)
            return;
        var paused = started + (long)(timings.Prepare.TotalSeconds * Stopwatch.Frequency);
        using var span = Source.StartActivity("fork pause", ActivityKind.Internal, parent.Context, startTime: DateTime.UtcNow - Stopwatch.GetElapsedTime(paused));
        span?.SetTag("mitos.delta_bytes", timings.DeltaBytes);
        Steps(span, paused, ("stop", timings.Stop), ("device state", timings.DeviceState), ("freeze disk", timings.FreezeDisk), ("list", timings.List), ("copy", timings.Copy), ("resume", timings.Resume));
        span?.SetEndTime(span.StartTimeUtc + timings.Pause);
    }

    /// <summary>The birth of a machine, told after it.</summary>
    /// <param name="parent">Of the child; null: nobody listens.</param>
    /// <param name="started">When it began, by <see cref="Stopwatch"/>.</param>
    /// <param name="timings">Of the machine.</param>
    internal static void Birth(Activity? parent, long started, BirthTimings timings)
    {
        parent?.SetTag("mitos.shell_warm", timings.Warm);
        Steps(parent, started, ("shell", timings.Shell), ("disk", timings.Disk), ("memory", timings.Memory), ("load", timings.DeviceState), ("greeting", timings.Greeting), ("handshake", timings.Handshake));
    }
}
