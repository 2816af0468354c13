using System.Text.Json.Nodes;

namespace Mitos.FirecrackerFake.Spec;

/// <summary>
/// A release of Firecracker: what of the newest specification it does not know yet. From its change log, as design notes and
/// docs/vmm-firecracker.md have it.
/// </summary>
internal sealed class Release(Version version)
{
    private static readonly (string Operation, string Field, Version Since)[] Gates =
    [
        ("PUT /serial", "", new(1, 14, 0)),
        ("PUT /serial", "rate_limiter", new(1, 16, 0)),
        ("PUT /hotplug/memory", "", new(1, 14, 0)),
        ("PATCH /hotplug/memory", "", new(1, 14, 0)),
        ("GET /hotplug/memory", "", new(1, 14, 0)),
        ("PUT /pmem/{id}", "", new(1, 14, 0)),
        ("PATCH /pmem/{id}", "", new(1, 17, 0)),
        ("PATCH /balloon/hinting/start", "", new(1, 14, 0)),
        ("PATCH /balloon/hinting/stop", "", new(1, 14, 0)),
        ("GET /balloon/hinting/status", "", new(1, 14, 0)),
        ("PUT /balloon", "free_page_hinting", new(1, 14, 0)),
        ("PUT /balloon", "free_page_reporting", new(1, 14, 0)),
        ("PUT /network-interfaces/{iface_id}", "mtu", new(1, 16, 0)),
        ("PUT /snapshot/load", "network_overrides", new(1, 12, 0)),
        ("PUT /snapshot/load", "track_dirty_pages", new(1, 13, 0)),
        ("PUT /snapshot/load", "vsock_override", new(1, 16, 0)),
        ("PUT /snapshot/load", "clock_realtime", new(1, 16, 0)),
        ("PUT /snapshot/load", "huge_pages", new(1, 17, 0)),
        ("PUT /metrics", "emit_id", new(1, 17, 0)),
        ("PUT /metrics", "properties", new(1, 17, 0)),
    ];

    private static readonly (Version Since, int Format)[] SnapshotFormats =
        [(new(1, 17, 0), 11), (new(1, 16, 0), 10), (new(1, 15, 0), 9), (new(1, 13, 0), 8), (new(1, 12, 0), 6), (new(1, 11, 0), 5), (new(1, 10, 0), 4)];

    /// <summary>For example <c>1.16.1</c>.</summary>
    public string Text { get; } = version.ToString(3);

    /// <summary>The major version of its snapshots' format; it loads no other.</summary>
    public int SnapshotFormat { get; } = SnapshotFormats.FirstOrDefault(format => version >= format.Since, (new(0, 0), 3)).Format;

    /// <summary>1.16.0 and 1.16.1 hold back what comes in by vsock after a pause without a snapshot, for ever (their issue 6100).</summary>
    public bool HoldsVsockAfterBarePause { get; } = version.Major == 1 && version.Minor == 16 && version.Build <= 1;

    /// <summary>Whether it has this request at all.</summary>
    public bool Knows(Operation operation) => !Gates.Any(gate => gate.Operation == operation.Name && gate.Field == "" && version < gate.Since);

    /// <summary>What it says to a field that came later; null when there is none.</summary>
    public string? CheckFields(Operation operation, JsonObject body)
    {
        var later = Gates.Where(gate => gate.Operation == operation.Name && gate.Field != "" && version < gate.Since).Select(gate => gate.Field).ToHashSet();
        return body.Select(field => field.Key).FirstOrDefault(later.Contains) is { } name ? Schema.UnknownField(name, operation.Body!.Properties.Keys.Except(later)) : null;
    }
}
