using System.Globalization;
using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Machine;
using Mitos.FirecrackerFake.Plan;
using Mitos.FirecrackerFake.Spec;

namespace Mitos.FirecrackerFake.Api;

/// <summary>
/// What each request does, and when it may: a process that is not started is configured, or loads a snapshot, once; then its
/// machine runs or is paused. Order and words are those of Firecracker's rpc_interface.rs. One request at a time.
/// </summary>
internal sealed class Controller(string id, Planner planner)
{
    // Requests that change nothing about what is booted: a snapshot can still be loaded after them.
    private static readonly string[] BeforeLoad = ["/logger", "/metrics", "/serial", "/mmds", "/cpu-config"];
    private static readonly string[] OnlyAfterStart = ["PATCH /vm", "PUT /snapshot/create", "PATCH /drives/{drive_id}", "PATCH /network-interfaces/{iface_id}", "PATCH /balloon",
        "PATCH /balloon/statistics", "GET /balloon/statistics", "PATCH /hotplug/memory", "GET /hotplug/memory", "PATCH /pmem/{id}", "PATCH /balloon/hinting/start", "PATCH /balloon/hinting/stop", "GET /balloon/hinting/status"];
    private readonly Dictionary<string, JsonObject> _configured = [];
    private readonly FakeDisks _disks = new();
    private readonly Dictionary<string, Microsoft.Win32.SafeHandles.SafeFileHandle> _taps = []; // open as long as the process is
    private VsockDevice? _vsock;
    private JsonNode? _metadata;
    private FakeMachine? _machine;
    private bool _configures;

    /// <exception cref="Fault">Refused.</exception>
    public Answer Run(Operation operation, JsonNode? body, FakePlan plan, Release release)
    {
        var fields = body as JsonObject;
        if (_machine is null && (OnlyAfterStart.Contains(operation.Name) || (operation.Path == "/actions" && (string?)fields!["action_type"] != "InstanceStart")))
            throw new Fault(Fault.BeforeStart);
        switch (operation.Name)
        {
            case "GET /":
                return Answer.Of(new JsonObject
                {
                    ["id"] = id,
                    ["state"] = _machine is null ? "Not started" : _machine.IsPaused ? "Paused" : "Running",
                    ["vmm_version"] = release.Text,
                    ["app_name"] = "Firecracker",
                });
            case "GET /version":
                return Answer.Of(new JsonObject { ["firecracker_version"] = release.Text });
            case "GET /machine-config":
                return Answer.Of(MachineConfig());
            case "GET /vm/config":
                return Answer.Of(FullConfig());
            case "GET /mmds":
                return Answer.Of(_metadata?.DeepClone() ?? new JsonObject());
            case "PUT /mmds":
                _metadata = body!.DeepClone();
                return Answer.Done;
            case "PATCH /mmds":
                _metadata = Merge(_metadata ?? throw new Fault("MMDS error: The MMDS data store is not initialized."), body);
                return Answer.Done;
            case "PATCH /vm":
                if ((string?)fields!["state"] == "Paused")
                    _machine!.Pause();
                else
                    _machine!.Resume();
                return Answer.Done;
            case "PUT /actions":
                if ((string?)fields!["action_type"] == "InstanceStart")
                    Start(release, plan);
                return Answer.Done;
            case "PUT /snapshot/create":
                Snapshots.Create(_machine!, fields!, plan, release);
                return Answer.Done;
            case "PUT /snapshot/load":
                return Load(fields!, release, plan);
            case "PATCH /drives/{drive_id}":
                PatchDrive(fields!);
                return Answer.Done;
            case var name when name.StartsWith("GET ", StringComparison.Ordinal):
                return _configured.TryGetValue(operation.Path, out var found) ? Answer.Of(found.DeepClone()) : throw new Fault($"{operation.Path} is not configured.");
            default:
                Configure(operation, fields!);
                return new Answer(204, Deprecated: operation.Path == "/vsock" && fields!.ContainsKey("vsock_id"));
        }
    }

    private void Configure(Operation operation, JsonObject fields)
    {
        if (_machine is not null)
        {
            if (operation.Method == "PUT" || operation.Path == "/machine-config")
                throw new Fault(Fault.AfterStart);
            return; // a PATCH of something whose effect nobody can see here
        }
        _configures |= !BeforeLoad.Contains(operation.Path);
        switch (operation.Path)
        {
            case "/machine-config":
                CheckMachine(fields);
                break;
            case "/boot-source":
                CheckFile(fields, "kernel_image_path", "Boot source error: The kernel file cannot be opened: ");
                CheckFile(fields, "initrd_path", "Boot source error: The initrd file cannot be opened due to invalid path or invalid permissions. ");
                break;
            case "/drives/{drive_id}":
                PutDrive(fields);
                break;
            case "/network-interfaces/{iface_id}":
                PutCard((string)fields["iface_id"]!, (string)fields["host_dev_name"]!);
                break;
            case "/vsock":
                _vsock ??= BindVsock((string)fields["uds_path"]!, "Vsock config error: Cannot create backend for vsock device: UnixBind");
                break;
        }
        var key = operation.Path.Replace("{drive_id}", (string?)fields["drive_id"], StringComparison.Ordinal).Replace("{iface_id}", (string?)fields["iface_id"], StringComparison.Ordinal);
        if (operation.Method == "PATCH" && _configured.TryGetValue(key, out var before))
            fields = (JsonObject)Merge(before.DeepClone(), fields)!;
        _configured[key] = (JsonObject)fields.DeepClone();
    }

    private void PutCard(string id, string tap)
    {
        if (_taps.Remove(id, out var before))
            before.Dispose();
        _taps[id] = Snapshots.OpenTap(tap, "Network config: Could not create the network device: ");
    }

    private void CheckMachine(JsonObject fields)
    {
        var merged = (JsonObject)Merge(MachineConfig(), fields)!;
        var cpus = (long)merged["vcpu_count"]!;
        if (cpus is 0 or > 32 || ((bool)merged["smt"]! && cpus > 1 && cpus % 2 == 1))
            throw new Fault("Machine config error: The vCPU number is invalid! The vCPU number can only be 1 or an even number when SMT is enabled.");
        if ((long)merged["mem_size_mib"]! == 0)
            throw new Fault("Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.");
    }

    private void PutDrive(JsonObject fields)
    {
        if ((bool)fields["is_root_device"]! && _configured.Any(other => other.Key.StartsWith("/drives/", StringComparison.Ordinal) && other.Key != $"/drives/{fields["drive_id"]}" && (bool)other.Value["is_root_device"]!))
            throw new Fault("Drive config error: A root block device already exists!");
        var path = (string?)fields["path_on_host"] ?? throw new Fault("Drive config error: Unable to create the block device: Backing file path is missing; the fake knows no vhost-user drives.");
        SetDrive(new DriveState((string)fields["drive_id"]!, path, (bool?)fields["is_read_only"] ?? false, Limiter(fields)), "Drive config error: Unable to create the block device: ");
    }

    private void PatchDrive(JsonObject fields)
    {
        var drive = _machine!.Disks.States.FirstOrDefault(state => state.Id == (string?)fields["drive_id"])
            ?? throw new Fault($"Drive config error: Unable to patch the block device: there is no drive '{fields["drive_id"]}'.");
        if ((string?)fields["path_on_host"] is { } path)
            SetDrive(drive with { Path = path }, "Drive config error: Unable to patch the block device: ");
        if (Limiter(fields) is { Length: > 0 } limiter)
            _machine.Disks.SetLimiter(drive.Id, limiter);
    }

    private static string Limiter(JsonObject fields) => fields["rate_limiter"] is { } limiter ? Json.Text(limiter) : "";

    private void SetDrive(DriveState drive, string refusal)
    {
        try
        {
            (_machine?.Disks ?? _disks).Set(drive);
        }
        catch (IOException e)
        {
            throw new Fault($"{refusal}Error manipulating the backing file: {Libc.Words(e)} {drive.Path}");
        }
    }

    private VsockDevice BindVsock(string path, string refusal)
    {
        try
        {
            return new VsockDevice(path, planner);
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new Fault($"{refusal}({Libc.Words(e.NativeErrorCode)})");
        }
    }

    private void Start(Release release, FakePlan plan)
    {
        if (_machine is not null)
            throw new Fault(Fault.AfterStart);
        if (!_configured.TryGetValue("/boot-source", out var boot))
            throw new Fault("Start microvm error: Cannot start microvm without kernel configuration.");
        CheckKernel((string)boot["kernel_image_path"]!);
        var machine = MachineConfig();
        var shape = new DeviceState
        {
            CpuCount = (int)machine["vcpu_count"]!,
            MemoryMiB = (int)machine["mem_size_mib"]!,
            Vsock = _configured.TryGetValue("/vsock", out var vsock) ? new VsockState((int)vsock["guest_cid"]!, (string)vsock["uds_path"]!) : null,
            NetworkInterfaces = [.. _configured.Where(part => part.Key.StartsWith("/network-interfaces/", StringComparison.Ordinal)).Select(part => new CardState(part.Key.Split('/')[2], (string)part.Value["host_dev_name"]!))],
        };
        _machine = new FakeMachine(shape, GuestMemory.Create((long)shape.MemoryMiB << 20), _disks, _vsock, release.HoldsVsockAfterBarePause && !plan.WithoutDefects);
        _machine.Start(boots: true);
        _machine.SetLoaded();
        _machine.Resume();
    }

    private Answer Load(JsonObject fields, Release release, FakePlan plan)
    {
        if (_machine is not null)
            throw new Fault(Fault.AfterStart);
        if (_configures)
            throw new Fault("Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.");
        _machine = Snapshots.Load(fields, release, path => BindVsock(path, "vsock: Error binding to the host-side Unix socket: "), _disks, plan);
        foreach (var card in _machine.Shape.NetworkInterfaces)
            _taps[card.Id] = Snapshots.OpenTap(card.Tap, "Load snapshot error: Failed to restore from snapshot: Failed to build microVM from snapshot: Failed to restore devices: ", isFatal: true);
        _configured["/machine-config"] = new JsonObject { ["vcpu_count"] = _machine.Shape.CpuCount, ["mem_size_mib"] = _machine.Shape.MemoryMiB };
        _machine.Start(boots: false);
        _machine.SetLoaded();
        if ((bool?)fields["resume_vm"] == true)
            _machine.Resume();
        return new Answer(204, Deprecated: fields.ContainsKey("mem_file_path") || fields.ContainsKey("enable_diff_snapshots"));
    }

    private JsonObject MachineConfig()
    {
        var defaults = new JsonObject { ["vcpu_count"] = 1, ["mem_size_mib"] = 128, ["smt"] = false, ["track_dirty_pages"] = false, ["huge_pages"] = "None" };
        return _configured.TryGetValue("/machine-config", out var set) ? (JsonObject)Merge(defaults, set)! : defaults;
    }

    private JsonObject FullConfig()
    {
        JsonArray All(string prefix) => [.. _configured.Where(part => part.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(part => part.Value.DeepClone())];
        JsonArray drives = _machine is null ? All("/drives/") :
            [.. _machine.Disks.States.Select(state => new JsonObject { ["drive_id"] = state.Id, ["path_on_host"] = state.Path, ["rate_limiter"] = state.RateLimiter.Length > 0 ? JsonNode.Parse(state.RateLimiter) : null })];
        var full = new JsonObject { ["drives"] = drives, ["network-interfaces"] = All("/network-interfaces/"), ["machine-config"] = MachineConfig() };
        foreach (var part in (string[])["boot-source", "vsock", "balloon", "entropy", "logger", "metrics"])
            full[part] = _configured.TryGetValue("/" + part, out var set) ? set.DeepClone() : null;
        return full;
    }

    private static void CheckFile(JsonObject fields, string field, string refusal)
    {
        if ((string?)fields[field] is not { } path)
            return;
        try
        {
            Libc.Open(path, write: false).Dispose();
        }
        catch (IOException e)
        {
            throw new Fault(refusal + Libc.Words(e));
        }
    }

    private static void CheckKernel(string path)
    {
        using var file = Libc.Open(path, write: false);
        var magic = new byte[4];
        if (RandomAccess.Read(file, magic, 0) < 4 || !magic.AsSpan().SequenceEqual("\u007FELF"u8))
            throw new Fault("Start microvm error: Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Invalid ELF magic number");
    }

    // RFC 7396
    private static JsonNode? Merge(JsonNode target, JsonNode? patch)
    {
        if (patch is not JsonObject changes || target is not JsonObject fields)
            return patch?.DeepClone();
        foreach (var (name, value) in changes)
        {
            if (value is null)
                fields.Remove(name);
            else
                fields[name] = fields[name] is { } before ? Merge(before.DeepClone(), value) : value.DeepClone();
        }
        return fields;
    }
}
