using Microsoft.Win32.SafeHandles;

namespace Mitos.Linux.Processes;

/// <summary>How a process is started.</summary>
public sealed record SpawnOptions
{
    /// <summary>Absolute path of the program.</summary>
    public required string Path { get; init; }

    /// <summary>Its arguments, the first being its name.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>Its whole environment. Default: empty.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Descriptors of ours that become its 0, 1, 2 …; it gets no others. -1 entries are not allowed.</summary>
    public required IReadOnlyList<int> Descriptors { get; init; }

    /// <summary>Descriptors of cgroup.procs files that it joins before it executes.</summary>
    public IReadOnlyList<int> Cgroups { get; init; } = [];

    /// <summary>User and group that it runs as; null: as we do.</summary>
    public int? UserId { get; init; }

    /// <summary>Supplementary groups, with <see cref="UserId"/>. Default: none.</summary>
    public IReadOnlyList<int> Groups { get; init; } = [];

    /// <summary>Working directory. Default: the root.</summary>
    public string Directory { get; init; } = "/";

    /// <summary>Whether it enters that directory with our rights, not with those of <see cref="UserId"/>. Default false.</summary>
    public bool EnterFirst { get; init; }

    /// <summary>A session of its own, so that no signal of our terminal reaches it. Default true.</summary>
    public bool NewSession { get; init; } = true;

    /// <summary>No transparent huge pages: its memory then counts in 4 KiB pages. Default false.</summary>
    public bool NoHugePages { get; init; }

    /// <summary>No core file when it crashes: what it has in memory is somebody's secret. Default false.</summary>
    public bool NoCoreDump { get; init; }

    /// <summary>The network namespace that it enters; null: ours. Kept open until it has started. See <see cref="NetworkNamespace"/>.</summary>
    public SafeFileHandle? Network { get; init; }

    /// <summary>The mount namespace that it enters, and whose root becomes its own: paths of these options are of that root. Null: ours. Kept open until it has started. See <see cref="MountNamespace"/>.</summary>
    public SafeFileHandle? Mounts { get; init; }

    /// <summary>Most open files; 0: as we have.</summary>
    public int MaxOpenFiles { get; init; }
}
