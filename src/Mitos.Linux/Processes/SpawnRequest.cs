using System.Runtime.InteropServices;

namespace Mitos.Linux.Processes;

/// <summary>struct mitos_spawn_request of native/spawn.c</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SpawnRequest
{
    public byte** Paths, Arguments, Environment;
    public byte* Directory;
    public int* Descriptors, Cgroups;
    public uint* Groups;
    public ulong MaxOpenFiles;
    public int DescriptorCount, CgroupCount, GroupCount;
    public uint UserId, GroupId;
    public SpawnFlags Flags;
    public int Network, Mounts;
}

/// <summary>MITOS_… of native/spawn.c</summary>
[Flags]
internal enum SpawnFlags : uint
{
    NewSession = 1, SetIdentity = 8, NoNewPrivileges = 16, NoHugePages = 32, NoCore = 64, EnterFirst = 128,
}
