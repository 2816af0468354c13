using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;
using Mitos.FirecrackerFake.Machine;
using Mitos.FirecrackerFake.Plan;
using Mitos.FirecrackerFake.Spec;

namespace Mitos.FirecrackerFake.Api;

/// <summary>Snapshots, in Firecracker's order: state saved, state written and synced, memory file opened, memory written (persist.rs, vm.rs).</summary>
internal static class Snapshots
{
    /// <exception cref="Fault">Refused. A memory file that cannot be opened leaves a complete state file behind.</exception>
    public static void Create(FakeMachine machine, JsonObject fields, FakePlan plan, Release release)
    {
        var (statePath, memoryPath) = ((string)fields["snapshot_path"]!, (string)fields["mem_file_path"]!);
        if (plan.OpensMemoryFirst)
            OpenMemory(memoryPath, machine).Dispose();
        DeviceState state;
        try
        {
            state = machine.Save();
        }
        catch (InvalidOperationException e)
        {
            throw new Fault($"Create snapshot error: Cannot save the microVM state: Operation not allowed: {e.Message}");
        }
        var file = StateFile.Encode(state, release.SnapshotFormat);
        if (plan.DamagesState)
            file[file.Length / 2] ^= 1;
        WriteState(statePath, file);
        using var memory = OpenMemory(memoryPath, machine);
        machine.Memory.Dump(memory); // also for a Diff, which may write more than what is dirty
    }

    /// <exception cref="Fault">Refused; the process ends after it.</exception>
    public static FakeMachine Load(JsonObject fields, Release release, Func<string, VsockDevice> bind, FakeDisks disks, FakePlan plan)
    {
        var backend = fields["mem_backend"] as JsonObject;
        var memoryPath = (string?)fields["mem_file_path"];
        if ((backend is null) == (memoryPath is null))
            throw Fault.Json(backend is null
                ? "missing field: either `mem_backend` or `mem_file_path` is required"
                : "too many fields: either `mem_backend` or `mem_file_path` exclusively is required");
        if ((string?)backend?["backend_type"] == "Uffd")
            throw new Fault("The fake does not know the Uffd backend.");
        memoryPath ??= (string)backend!["backend_path"]!;
        try
        {
            var state = ReadState((string)fields["snapshot_path"]!, release);
            foreach (var entry in fields["network_overrides"]?.AsArray() ?? [])
            {
                var (id, tap) = ((string)entry!["iface_id"]!, (string)entry["host_dev_name"]!);
                if (state.NetworkInterfaces.All(card => card.Id != id))
                    throw Fatal("Failed to get snapshot state from file: Unknown Network Device.");
                state = state with { NetworkInterfaces = [.. state.NetworkInterfaces.Select(card => card.Id == id ? card with { Tap = tap } : card)] };
            }
            if ((string?)fields["vsock_override"]?["uds_path"] is { } path)
                state = state with { Vsock = state.Vsock is { } vsock ? vsock with { Path = path } : throw Fatal("Failed to get snapshot state from file: Unknown Vsock Device.") };
            var memory = MapMemory(memoryPath, state);
            foreach (var drive in state.Drives)
                OpenDrive(disks, drive);
            var device = state.Vsock is { } found ? bind(found.Path) : null;
            return new FakeMachine(state, memory, disks, device, release.HoldsVsockAfterBarePause && !plan.WithoutDefects);
        }
        catch (Fault e) when (!e.IsFatal)
        {
            throw Fatal($"Failed to build microVM from snapshot: Failed to restore devices: {e.Message}");
        }
    }

    /// <exception cref="Fault">It cannot be opened.</exception>
    public static SafeFileHandle OpenTap(string name, string refusal, bool isFatal = false)
    {
        try
        {
            return Libc.OpenTap(name);
        }
        catch (IOException e)
        {
            throw new Fault(refusal + e.Message) { IsFatal = isFatal };
        }
    }

    private static Fault Fatal(string why) => new($"Load snapshot error: Failed to restore from snapshot: {why}") { IsFatal = true };

    private static void WriteState(string path, byte[] bytes)
    {
        try
        {
            using var file = Libc.Open(path, write: true, create: true);
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, bytes, 0);
        }
        catch (IOException e)
        {
            throw new Fault($"Create snapshot error: Cannot perform open on the snapshot backing file: {Libc.Words(e)}");
        }
    }

    // Not truncated when its length fits: it may be the very file that the machine was restored from.
    private static SafeFileHandle OpenMemory(string path, FakeMachine machine)
    {
        try
        {
            var file = Libc.Open(path, write: true, create: true);
            if (RandomAccess.GetLength(file) != machine.Memory.Length)
            {
                RandomAccess.SetLength(file, 0);
                RandomAccess.SetLength(file, machine.Memory.Length);
            }
            return file;
        }
        catch (IOException e)
        {
            throw new Fault($"Create snapshot error: Cannot perform open on the memory backing file: {Libc.Words(e)}");
        }
    }

    private static DeviceState ReadState(string path, Release release)
    {
        try
        {
            using var file = Libc.Open(path, write: false);
            var bytes = new byte[RandomAccess.GetLength(file)];
            RandomAccess.Read(file, bytes, 0);
            return StateFile.Decode(bytes, release.SnapshotFormat);
        }
        catch (InvalidDataException e)
        {
            throw Fatal($"Failed to get snapshot state from file: Failed to load snapshot state from file: {e.Message}");
        }
        catch (IOException e)
        {
            throw Fatal($"Failed to get snapshot state from file: Failed to open snapshot file: {Libc.Words(e)}");
        }
    }

    private static GuestMemory MapMemory(string path, DeviceState state)
    {
        try
        {
            return GuestMemory.FromFile(path, (long)state.MemoryMiB << 20);
        }
        catch (IOException e)
        {
            throw Fatal($"Failed to load guest memory: Error creating guest memory from file: Failed to load guest memory: {Libc.Words(e)}");
        }
    }

    private static void OpenDrive(FakeDisks disks, DriveState drive)
    {
        try
        {
            disks.Set(drive);
        }
        catch (IOException e)
        {
            throw Fatal($"Failed to build microVM from snapshot: Failed to restore devices: Error restoring block device: Error manipulating the backing file: {Libc.Words(e)} {drive.Path}");
        }
    }
}
