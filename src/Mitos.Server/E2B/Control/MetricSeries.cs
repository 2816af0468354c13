using Mitos.Engine.Agent;

namespace Mitos.Server.E2B.Control;

/// <summary>The samples of one sandbox, the oldest first.</summary>
internal sealed class MetricSeries
{
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(30); // across a pause there is no rate
    private readonly Lock _lock = new();
    private readonly Queue<Sample> _samples = [];
    private Sample _last;
    private TimeSpan _guestCpu, _vmmCpu;

    public bool IsEmpty
    {
        get
        {
            lock (_lock)
                return _samples.Count == 0;
        }
    }

    public List<MetricBody> Between(DateTimeOffset from, DateTimeOffset to)
    {
        lock (_lock)
            return _samples.Where(sample => sample.At >= from && sample.At <= to).Select(sample => sample.Describe()).ToList();
    }

    /// <summary>Adds what the guest says.</summary>
    /// <param name="now">When it said so.</param>
    /// <param name="metrics">What it said.</param>
    /// <param name="vmmCpu">What its VMM has worked until now, the answer included.</param>
    public void Add(DateTimeOffset now, GuestMetrics metrics, TimeSpan vmmCpu)
    {
        lock (_lock)
        {
            // The first has none: the guest counts from the boot of its template.
            var elapsed = now - _last.At;
            var known = _samples.Count > 0 && elapsed < LongestGap && elapsed > TimeSpan.Zero;
            var share = known ? (metrics.CpuUsed - _guestCpu) / elapsed / Math.Max(1, metrics.CpuCount) : 0;
            (_guestCpu, _vmmCpu) = (metrics.CpuUsed, vmmCpu);
            Keep(new Sample(now, Math.Clamp(share, 0, 1), metrics.CpuCount, metrics.MemoryTotalBytes - metrics.MemoryAvailableBytes, metrics.MemoryTotalBytes, metrics.MemoryCachedBytes,
                metrics.DiskUsedBytes, metrics.DiskTotalBytes));
        }
    }

    /// <summary>Lets the last sample hold for now, when the VMM did so little since that nothing can have changed.</summary>
    public bool TryRepeat(DateTimeOffset now, TimeSpan vmmCpu, double idleShare)
    {
        lock (_lock)
        {
            var elapsed = now - _last.At;
            if (_samples.Count == 0 || elapsed <= TimeSpan.Zero || elapsed > LongestGap || vmmCpu < _vmmCpu)
                return false;
            var share = (vmmCpu - _vmmCpu) / elapsed / Math.Max(1, _last.CpuCount);
            if (share > idleShare)
                return false;
            _vmmCpu = vmmCpu;
            Keep(_last with { At = now, CpuShare = share });
            return true;
        }
    }

    public void Forget(DateTimeOffset before)
    {
        lock (_lock)
        {
            while (_samples.TryPeek(out var oldest) && oldest.At < before)
                _samples.Dequeue();
        }
    }

    private void Keep(Sample sample) => _samples.Enqueue(_last = sample);

    /// <summary>Sizes in bytes; the share of all its cpus together.</summary>
    private readonly record struct Sample(DateTimeOffset At, double CpuShare, int CpuCount, long MemoryUsed, long MemoryTotal, long MemoryCached, long DiskUsed, long DiskTotal)
    {
        public MetricBody Describe() => new(At, At.ToUnixTimeSeconds(), CpuCount, Math.Round(CpuShare * 100, 2), MemoryUsed, MemoryTotal, MemoryCached, DiskUsed, DiskTotal);
    }
}
