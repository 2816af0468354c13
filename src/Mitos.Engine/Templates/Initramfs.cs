using System.Globalization;
using System.Text;

namespace Mitos.Engine.Templates;

/// <summary>Writes the initial file system: the agent as /init and the kernel's modules, as a cpio archive (newc, Documentation/driver-api/early-userspace).</summary>
internal static class Initramfs
{
    private const int Directory = 0x4000, RegularFile = 0x8000, CharacterDevice = 0x2000;

    public static void Write(string path, string agent, IReadOnlyList<string> modules)
    {
        using var file = File.Create(path);
        foreach (var folder in (string[])["dev", "proc", "sys", "newroot", "lib", "lib/mitos"])
            Entry(file, folder, Directory | 0x1ED, []);
        Entry(file, "dev/console", CharacterDevice | 0x180, [], (5, 1));
        Entry(file, "init", RegularFile | 0x1ED, File.ReadAllBytes(agent));
        foreach (var module in modules)
            Entry(file, "lib/mitos/" + Path.GetFileName(module), RegularFile | 0x1A4, File.ReadAllBytes(module));
        var list = string.Concat(modules.Select(module => $"/lib/mitos/{Path.GetFileName(module)}\n"));
        Entry(file, "lib/mitos/modules", RegularFile | 0x1A4, Encoding.ASCII.GetBytes(list));
        Entry(file, "TRAILER!!!", 0, []);
    }

    private static void Entry(Stream file, string name, int mode, byte[] content, (int Major, int Minor) device = default)
    {
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        int[] fields = [0, mode, 0, 0, 1, 0, content.Length, 0, 0, device.Major, device.Minor, name.Length + 1, 0];
        var header = "070701" + string.Concat(fields.Select(field => field.ToString("x8", CultureInfo.InvariantCulture)));
        file.Write(Encoding.ASCII.GetBytes(header + name + '\0'));
        Pad(file);
        file.Write(content);
        Pad(file);
    }

    private static void Pad(Stream file) => file.Write(new byte[(4 - (file.Position % 4)) % 4]);
}
