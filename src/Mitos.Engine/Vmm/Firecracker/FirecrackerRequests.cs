using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Disks;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>
/// The requests that the driver sends, as bytes. Bodies have a fixed Content-Length: Firecracker accepts chunked ones, but reads
/// them as empty. Files are named by descriptors that the process was started with, so that a path that a state records fits
/// every machine that loads it.
/// </summary>
internal static class FirecrackerRequests
{
    /// <summary>Descriptors of the process, by number.</summary>
    public const int StateDescriptor = IVmmDriver.MemoryDescriptor + 1, DiskDescriptor = StateDescriptor + 1, ScratchDescriptor = DiskDescriptor + 1,
        KernelDescriptor = ScratchDescriptor + 1, InitramfsDescriptor = KernelDescriptor + 1;

    /// <summary>Sockets in the process's working directory.</summary>
    public const string ApiSocket = "api", AgentSocket = "agent";

    private const string CardId = "eth0";

    public static readonly byte[] Pause = Make("PATCH", "/vm", new JsonObject { ["state"] = "Paused" });
    public static readonly byte[] Resume = Make("PATCH", "/vm", new JsonObject { ["state"] = "Resumed" });
    public static readonly byte[] Start = Make("PUT", "/actions", new JsonObject { ["action_type"] = "InstanceStart" });
    public static readonly byte[] Info = Make("GET", "/", null);
    public static readonly byte[] Version = Make("GET", "/version", null);

    /// <summary>State and memory: for a machine that was booted, whose memory lies in no file of ours.</summary>
    public static readonly byte[] SaveAll = Save("Full", PathOf(IVmmDriver.MemoryDescriptor));

    /// <summary>
    /// The state alone. The device state is written and synced before the memory file is opened, so a memory path that cannot be
    /// opened gives status 400 and a complete state file: the order of the implementation, which the self-test asserts per binary.
    /// </summary>
    public static readonly byte[] SaveState = Save("Full", "/dev/null/none");

    /// <summary>The state, and the pages since the last time into a file that nobody reads: the documented way, for a binary that has another order.</summary>
    public static readonly byte[] SaveDiff = Save("Diff", PathOf(ScratchDescriptor));

    /// <summary>Changes when guests get other devices.</summary>
    public static readonly string DeviceModel = Convert.ToHexStringLower(SHA256.HashData([.. Disk(), .. Vsock(), .. Entropy()]))[..8];

    public static byte[] Machine(int cpuCount, int memoryMiB) =>
        Make("PUT", "/machine-config", new JsonObject { ["vcpu_count"] = cpuCount, ["mem_size_mib"] = memoryMiB });

    public static byte[] Boot(string commandLine, bool initramfs)
    {
        var body = new JsonObject { ["kernel_image_path"] = PathOf(KernelDescriptor), ["boot_args"] = commandLine };
        if (initramfs)
            body["initrd_path"] = PathOf(InitramfsDescriptor);
        return Make("PUT", "/boot-source", body);
    }

    // Sync: io_uring costs each restore a tenth of a second. Unsafe: the machine does not outlive the host, so its flushes gain nothing.
    public static byte[] Disk(DiskLimit limit = default)
    {
        var body = new JsonObject
        {
            ["drive_id"] = "disk0",
            ["path_on_host"] = PathOf(DiskDescriptor),
            ["is_root_device"] = false,
            ["is_read_only"] = false,
            ["cache_type"] = "Unsafe",
            ["io_engine"] = "Sync",
        };
        if (limit != default)
            body["rate_limiter"] = RateLimiter(limit);
        return Make("PUT", "/drives/disk0", body);
    }

    /// <summary>Limits the disk of a machine that is there already. A state has the limit that its machine had.</summary>
    public static byte[] LimitDisk(DiskLimit limit) => Make("PATCH", "/drives/disk0", new JsonObject { ["drive_id"] = "disk0", ["rate_limiter"] = RateLimiter(limit) });

    public static byte[] Vsock() => Make("PUT", "/vsock", new JsonObject { ["guest_cid"] = 3, ["uds_path"] = AgentSocket });

    public static byte[] Entropy() => Make("PUT", "/entropy", []);

    public static byte[] Card(NetworkCard card) => Make("PUT", "/network-interfaces/" + CardId, new JsonObject { ["iface_id"] = CardId, ["guest_mac"] = card.MacAddress, ["host_dev_name"] = card.Tap });

    /// <param name="trackDirtyPages">For <see cref="SaveDiff"/>; costs a fault for each page that is written first.</param>
    /// <param name="card">Its tap takes the place of the one that the state names: since 1.12, so in all that are driven.</param>
    public static byte[] Load(bool trackDirtyPages, NetworkCard? card = null)
    {
        var body = new JsonObject
        {
            ["track_dirty_pages"] = trackDirtyPages,
            ["snapshot_path"] = PathOf(StateDescriptor),
            ["resume_vm"] = false,
            ["mem_backend"] = new JsonObject { ["backend_type"] = "File", ["backend_path"] = PathOf(IVmmDriver.MemoryDescriptor) },
        };
        if (card is not null)
            body["network_overrides"] = new JsonArray(new JsonObject { ["iface_id"] = CardId, ["host_dev_name"] = card.Tap });
        return Make("PUT", "/snapshot/load", body);
    }

    // One bucket is for reads and writes together; one of size 0 is none.
    private static JsonObject RateLimiter(DiskLimit limit) => new() { ["bandwidth"] = Bucket(limit.BytesPerSecond), ["ops"] = Bucket(limit.OperationsPerSecond) };

    private static JsonObject Bucket(long perSecond) => new() { ["size"] = perSecond, ["refill_time"] = 1000 };

    private static byte[] Save(string type, string memoryPath) => Make("PUT", "/snapshot/create", new JsonObject
    {
        ["snapshot_type"] = type,
        ["snapshot_path"] = PathOf(StateDescriptor),
        ["mem_file_path"] = memoryPath,
    });

    private static string PathOf(int descriptor) => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}");

    private static byte[] Make(string method, string path, JsonObject? body)
    {
        var content = body is null ? "" : body.ToJsonString();
        var head = $"{method} {path} HTTP/1.1\r\nAccept: application/json\r\n";
        if (body is not null)
            head += $"Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(content)}\r\n";
        return Encoding.UTF8.GetBytes(head + "\r\n" + content);
    }
}
