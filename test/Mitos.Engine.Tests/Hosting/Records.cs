using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Tests.Hosting;

/// <summary>Records as the engine writes them.</summary>
internal static class Records
{
    public static GenerationRecord Generation(string id = "0123456789abcdef", params string[] layers) => new()
    {
        Id = id,
        Shape = new MachineShape(1, 128, 64),
        BaseImage = "/images/base",
        Layers = layers,
        Vmm = "qemu 1 tcg",
        Persistent = true,
        ImageBytes = 4096,
        Checksum = "00",
    };

    public static SandboxRecord Sandbox(string? id = null, string? name = null, SandboxState state = SandboxState.Stopped) => new()
    {
        Id = id ?? SandboxId.New().ToString(),
        Name = name,
        State = state,
        Template = "base",
        CreatedAt = DateTimeOffset.UnixEpoch.AddDays(20_000),
        Lineage = [],
        Environment = new Dictionary<string, string> { ["A"] = "b" },
        Metadata = new Dictionary<string, string>(),
        AccessToken = "token",
        Machine = new MachineRecord
        {
            VmmId = VmmId.New(),
            Pid = int.MaxValue,
            StartTime = 1,
            UserId = 2_000_000_001,
            Generation = Generation(),
            Frozen = [],
            Active = Engine.Disks.LayerId.New().ToString(),
        },
    };
}
