using System.Collections.Concurrent;
using System.Diagnostics;
using Mitos.Engine.Observability;
using Mitos.Server.Observability;

namespace Mitos.Server.Tests.Observability;

/// <summary>Listens to the spans that would be sent.</summary>
internal sealed class SpanCapture : IDisposable
{
    private readonly ConcurrentQueue<Activity> _spans = new();
    private readonly ActivityListener _listener;

    public SpanCapture()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is EngineTrace.Name or ServerMeter.Name or "Microsoft.AspNetCore",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>What has ended, of one trace.</summary>
    public List<Activity> Of(ActivityTraceId trace) => [.. _spans.Where(span => span.TraceId == trace)];

    public void Dispose() => _listener.Dispose();

    public override string ToString() => string.Join('\n', _spans.Select(span => $"{span.DisplayName} {span.StatusDescription} {string.Join(' ', span.TagObjects)} {string.Join(' ', span.Events.SelectMany(e => e.Tags))}"));
}
