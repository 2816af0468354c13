using System.Globalization;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Capacity;

/// <summary>
/// Promises memory and disk before they are used, so that a fork is refused before anything is paused, and not in its middle.
/// </summary>
public sealed class HostCapacity
{
    private readonly EngineOptions _options;
    private readonly Func<long> _readMemory, _readDisk;
    private readonly Lock _lock = new();
    private long _promisedMemory, _promisedDisk;

    public HostCapacity(EngineOptions options)
        : this(options, ReadMemoryAvailable, () => new DriveInfo(options.StateDirectory).AvailableFreeSpace)
    {
    }

    internal HostCapacity(EngineOptions options, Func<long> readMemory, Func<long> readDisk) =>
        (_options, _readMemory, _readDisk) = (options, readMemory, readDisk);

    /// <summary>Promises, or refuses with what is missing. Disposing the result takes the promise back; what was really used is then seen by the kernel's own count.</summary>
    /// <exception cref="SandboxException">Exhausted.</exception>
    public IDisposable Reserve(string what, long memoryBytes, long diskBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(memoryBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(diskBytes);
        lock (_lock)
        {
            var memory = _readMemory() - _promisedMemory - _options.ReservedMemoryBytes;
            if (memoryBytes > memory)
            {
                throw new SandboxException(ErrorCode.Exhausted,
                    $"{what} needs {MiB(memoryBytes)} MiB of memory, and {Math.Max(0, MiB(memory))} MiB are free ({MiB(_options.ReservedMemoryBytes)} MiB stay reserved for the host).",
                    "Remove sandboxes (`mitos top` shows what each costs), or ask for fewer children.");
            }
            var disk = _readDisk() - _promisedDisk - _options.ReservedDiskBytes;
            if (diskBytes > disk)
            {
                throw new SandboxException(ErrorCode.Exhausted,
                    $"{what} needs {MiB(diskBytes)} MiB of disk in {_options.StateDirectory}, and {Math.Max(0, MiB(disk))} MiB are free ({MiB(_options.ReservedDiskBytes)} MiB stay reserved).",
                    "Remove sandboxes or templates, or give the state directory a larger disk.");
            }
            _promisedMemory += memoryBytes;
            _promisedDisk += diskBytes;
            return new Promise(this, memoryBytes, diskBytes);
        }
    }

    /// <summary>MemAvailable of /proc/meminfo, bytes.</summary>
    public static long ReadMemoryAvailable() => ReadMemory("MemAvailable:");

    /// <summary>MemTotal of /proc/meminfo, bytes.</summary>
    public static long ReadMemoryTotal() => ReadMemory("MemTotal:");

    private static long ReadMemory(string name)
    {
        var line = File.ReadLines("/proc/meminfo").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }

    private static long MiB(long bytes) => bytes >> 20;

    private sealed class Promise(HostCapacity capacity, long memory, long disk) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) != 0)
                return;
            lock (capacity._lock)
            {
                capacity._promisedMemory -= memory;
                capacity._promisedDisk -= disk;
            }
        }
    }
}
