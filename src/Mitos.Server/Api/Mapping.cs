using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Hosts;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;
using Mitos.Protocol.Messages;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>From the engine's models to the wire's.</summary>
internal static class Mapping
{
    public static SandboxBody ToBody(this SandboxInfo info, MemoryUsage? memory = null, bool withToken = false) => new()
    {
        Id = info.Id.ToString(),
        Name = info.Name,
        State = info.State.ToString().ToLowerInvariant(),
        Template = info.Template,
        Generation = info.Generation,
        GenerationBytes = info.GenerationBytes,
        CpuCount = info.CpuCount,
        MemoryMiB = info.MemoryMiB,
        CreatedAt = info.CreatedAt,
        StoppedAt = info.StoppedAt,
        StopReason = info.StopReason,
        ForkedFrom = info.ForkedFrom?.ToString(),
        Lineage = info.Lineage.Select(id => id.ToString()).ToList(),
        ForkId = info.ForkId,
        ForkIndex = info.ForkIndex,
        Env = new(info.Environment),
        Metadata = new(info.Metadata),
        VmmPid = info.VmmPid,
        DiskLayers = info.DiskLayers,
        Memory = memory?.ToBody(),
        AccessToken = withToken ? info.AccessToken : null,
    };

    public static MemoryBody ToBody(this MemoryUsage memory) => new(memory.PrivateBytes, memory.SharedBytes, memory.VmmBytes);

    public static SnapshotBody ToBody(this SnapshotInfo snapshot) => new()
    {
        Id = snapshot.Id,
        Name = snapshot.Name,
        Sandbox = snapshot.Source.ToString(),
        Template = snapshot.Template,
        CreatedAt = snapshot.CreatedAt,
        CpuCount = snapshot.CpuCount,
        MemoryMiB = snapshot.MemoryMiB,
        DiskMiB = snapshot.DiskMiB,
        DeltaBytes = snapshot.DeltaBytes,
        FileBytes = snapshot.FileBytes,
    };

    public static ForkSpec ToSpec(this ForkRequest request) =>
        new() { Count = request.Count ?? 1, Environment = request.Env ?? [], Metadata = request.Metadata ?? [], Names = request.Names ?? [] };

    public static ForkBody ToBody(this ForkResult result, Func<SandboxInfo, SandboxBody> describe) => new()
    {
        ForkId = result.ForkId,
        Source = result.Source.ToString(),
        Children = result.Children.Select(child => new ForkChildBody
        {
            Index = child.Index,
            Sandbox = child.Sandbox is { } made ? describe(made) : null,
            Error = child.Error is { } error ? Errors.Describe(error).Body : null,
            ReadyUs = Us(child.Ready),
            Timings = child.Timings?.ToBody(),
        }).ToList(),
        Timings = new ForkTimingsBody(Us(result.Timings.Pause), Us(result.Timings.Stop), Us(result.Timings.FreezeDisk), Us(result.Timings.DeviceState), Us(result.Timings.List),
            Us(result.Timings.Copy), Us(result.Timings.Resume), Us(result.Timings.Prepare), Us(result.Timings.Total), result.Timings.DeltaBytes, result.Timings.WarmShells),
    };

    public static BirthTimingsBody ToBody(this BirthTimings timings) => new(timings.Warm, Us(timings.Shell), Us(timings.Disk), Us(timings.Memory), Us(timings.DeviceState),
        Us(timings.Greeting), Us(timings.Handshake));

    public static ProcessBody ToBody(this ProcessInfo process) => new(process.Key.ToString(), process.Pid, [.. process.Argv], process.Directory, process.User, process.StartedAt,
        process.Exit?.Code, process.Exit?.Signal);

    public static GuestMetricsBody ToBody(this GuestMetrics metrics) => new(metrics.CpuCount, Us(metrics.CpuUsed), metrics.MemoryTotalBytes, metrics.MemoryAvailableBytes,
        metrics.DiskTotalBytes, metrics.DiskUsedBytes, metrics.Processes, (long)metrics.Uptime.TotalMilliseconds);

    public static FileBody ToBody(this GuestFile file) => new(file.Path,
        file.Kind switch { FileKind.File => "file", FileKind.Directory => "directory", FileKind.Link => "link", _ => "other" },
        Convert.ToString(file.Mode, 8), file.UserId, file.GroupId, file.Size, file.ModifiedAt, file.LinkTarget.Length > 0 ? file.LinkTarget : null);

    public static TemplateBody ToBody(this TemplateInfo template) => new()
    {
        Name = template.Name,
        Generation = template.Generation,
        From = template.From,
        CpuCount = template.CpuCount,
        MemoryMiB = template.MemoryMiB,
        MemoryBytes = template.MemoryBytes,
        DiskBytes = template.DiskBytes,
        CreatedAt = template.CreatedAt,
        Vmm = template.Vmm,
        Sandboxes = template.Sandboxes,
        Public = OwnedTemplates.IsPublic(template),
    };

    public static HostBody ToBody(this HostFacts facts) => new()
    {
        Vmm = facts.Vmm,
        VmmVersion = facts.VmmVersion,
        VmmBinary = facts.VmmBinary,
        Accelerator = facts.Accelerator,
        AcceleratorReason = facts.AcceleratorReason,
        Kernel = facts.Kernel,
        CpuModel = facts.CpuModel,
        CpuCount = facts.CpuCount,
        MemoryBytes = facts.MemoryBytes,
        MemoryAvailableBytes = facts.MemoryAvailableBytes,
        DiskAvailableBytes = facts.DiskAvailableBytes,
        StateDirectory = facts.StateDirectory,
        Checks = facts.Checks.Select(check => new HostCheckBody(check.Name, check.Status.ToString().ToLowerInvariant(), check.Finding, check.Remedy)).ToList(),
    };

    private static long Us(TimeSpan time) => (long)time.TotalMicroseconds;
}
