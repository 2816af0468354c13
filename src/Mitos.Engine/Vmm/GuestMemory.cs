using System.Globalization;
using Mitos.Engine.Errors;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Vmm;

/// <summary>Finds a machine's memory in the address space of its VMM: the mappings of its memory file, whatever the VMM calls them.</summary>
internal static class GuestMemory
{
    /// <summary>The mappings, in the order of the file, which is that of guest-physical addresses with the holes left out. Empty in a process that has not mapped it yet.</summary>
    public static List<GuestMemoryRegion> Find(MemoryFile memory, int pid)
    {
        var inode = InodeOf(memory);
        return ProcessMap.Find(pid, "/memfd:").Where(map => map.Inode == inode)
            .Select(map => new GuestMemoryRegion(map.Start, (long)(map.End - map.Start), map.Offset)).OrderBy(region => region.FileOffset).ToList();
    }

    private static ulong InodeOf(MemoryFile file)
    {
        // /proc/self/fdinfo has the inode since Linux 5.14
        foreach (var line in File.ReadLines($"/proc/self/fdinfo/{file.Descriptor}"))
        {
            if (line.StartsWith("ino:", StringComparison.Ordinal))
                return ulong.Parse(line.AsSpan(4), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
        }
        throw new VmmException("This kernel does not tell a descriptor's inode; Linux 5.14 or later is needed.");
    }
}
