using System.Text;

namespace Mitos.Probe.Tests.Vmm;

/// <summary>Symbols of an ELF file of 64 bits, static ones too.</summary>
public static class ElfSymbols
{
    public static long AddressOf(string path, string name)
    {
        var file = File.ReadAllBytes(path);
        long Long(long at) => BitConverter.ToInt64(file, (int)at);
        var (sections, count) = (Long(40), BitConverter.ToUInt16(file, 60));
        for (var i = 0; i < count; i++)
        {
            var section = sections + (i * 64);
            if (BitConverter.ToInt32(file, (int)section + 4) != 2 /* SHT_SYMTAB */)
                continue;
            var strings = Long(sections + (BitConverter.ToInt32(file, (int)section + 40) * 64) + 24);
            for (var at = Long(section + 24); at < Long(section + 24) + Long(section + 32); at += 24)
            {
                var begin = (int)(strings + BitConverter.ToInt32(file, (int)at));
                if (Encoding.ASCII.GetString(file, begin, Array.IndexOf(file, (byte)0, begin) - begin) == name)
                    return Long(at + 8);
            }
        }
        throw new ArgumentException($"{path} has no symbol '{name}'.", nameof(name));
    }
}
