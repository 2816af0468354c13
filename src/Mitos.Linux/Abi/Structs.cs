using System.Runtime.InteropServices;

namespace Mitos.Linux.Abi;

/// <summary>struct iovec</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoVector
{
    public nuint Base;
    public nuint Length;
}

/// <summary>struct msghdr of x86-64</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MessageHeader
{
    public void* Name;
    public uint NameLength;
    public IoVector* Vectors;
    public nuint VectorCount;
    public void* Control;
    public nuint ControlLength;
    public int Flags;
}

/// <summary>struct cmsghdr and the one descriptor that follows it</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DescriptorMessage
{
    /// <summary>CMSG_LEN of one descriptor; the struct's size is its CMSG_SPACE.</summary>
    public const int UsedBytes = 20;

    public nuint Length;
    public int Level;
    public int Type;
    public int Descriptor;
}

/// <summary>struct sockaddr_un</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct UnixAddress
{
    /// <summary>Bytes of <see cref="Path"/>, with the zero at its end.</summary>
    public const int PathBytes = 108;

    public ushort Family;
    public fixed byte Path[PathBytes];
}

/// <summary>struct timeval</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TimeValue
{
    public long Seconds, Microseconds;
}

/// <summary>struct pollfd</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollEntry
{
    public int Fd;
    public short Events;
    public short Results;
}

/// <summary>struct epoll_event, packed on x86-64</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct EpollEvent
{
    public uint Events;
    public ulong Data;
}

/// <summary>struct page_region</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PageRegion
{
    public ulong Start, End, Categories;
}

/// <summary>struct pm_scan_arg, 96 bytes</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ScanArgument
{
    public ulong Size, Flags, Start, End, WalkEnd, Vector, VectorLength, MaxPages, CategoryInverted, CategoryMask, CategoryAnyOf, ReturnMask;
}

/// <summary>struct stat</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FileStatus
{
    public ulong Device, Inode, Links;
    public uint Mode, UserId, GroupId, Padding;
    public ulong DeviceNumber;
    public long Size, BlockSize, Blocks;
    public Time Accessed, Modified, Changed;
    public Reserve Reserved;

    public struct Time
    {
        public long Seconds, Nanoseconds;
    }

    public struct Reserve
    {
        public long First, Second, Third;
    }
}
