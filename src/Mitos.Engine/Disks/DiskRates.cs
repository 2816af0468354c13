using System.Globalization;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Files;

namespace Mitos.Engine.Disks;

/// <summary>
/// How fast each machine may use the host's disk, and who sees to it: the cgroup, where it counts all that a process reads and writes; else
/// the VMM, too. Why: docs/decisions/0009.
/// </summary>
internal sealed record DiskRates
{
    private readonly DiskLimit _limit;

    private DiskRates(DiskLimit limit) => _limit = limit;

    public bool IsLimited => _limit != default;

    /// <summary>For the group of each machine; without a limit it lifts one.</summary>
    public required IReadOnlyList<DiskRate> ByCgroup { get; init; }

    /// <summary>For the VMM of each machine, without a limit to lift one; null: it is not its business.</summary>
    public DiskLimit? ByVmm => WhyWeaker is null ? null : _limit;

    /// <summary>Why the cgroup alone would not hold a machine; null: it does.</summary>
    public string? WhyWeaker { get; private init; }

    /// <param name="options">The limits, and where else files lie that machines read.</param>
    /// <param name="cgroups">The host's.</param>
    /// <param name="layers">Where disks are.</param>
    public static DiskRates Find(EngineOptions options, CgroupHierarchy cgroups, string layers)
    {
        var limit = new DiskLimit((long)options.DiskMiBPerSecond << 20, options.DiskOperationsPerSecond);
        // a volume of ours lies on a disk of its own, a loop, above that of the state directory
        var devices = ((string[])[layers, options.StateDirectory, options.CacheDirectory]).Select(BlockDevice.Of).Distinct().ToList();
        return new DiskRates(limit)
        {
            ByCgroup = cgroups.HasDisks ? devices.OfType<string>().Select(device => new DiskRate(device, limit.BytesPerSecond, limit.OperationsPerSecond)).ToList() : [],
            WhyWeaker = !cgroups.HasDisks ? "this host's cgroups have no controller of disks"
                : devices.Contains(null) ? $"{(BlockDevice.Of(layers) is null ? layers : options.CacheDirectory)} is on no disk that a cgroup could limit"
                : cgroups.Version == 1 ? "cgroups of version 1 do not count what is written back later" : null,
        };
    }

    /// <summary>For people.</summary>
    public override string ToString() => string.Join(" and ", ((string[])
    [
        _limit is { BytesPerSecond: > 0 and var bytes } ? string.Create(CultureInfo.InvariantCulture, $"{bytes >> 20} MiB/s") : "",
        _limit is { OperationsPerSecond: > 0 and var operations } ? string.Create(CultureInfo.InvariantCulture, $"{operations} operations/s") : "",
    ]).Where(text => text.Length > 0));
}

/// <summary>How fast a machine may use its disk.</summary>
/// <param name="BytesPerSecond">0: any.</param>
/// <param name="OperationsPerSecond">0: any.</param>
public readonly record struct DiskLimit(long BytesPerSecond, long OperationsPerSecond);
