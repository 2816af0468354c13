using System.Formats.Tar;

namespace Mitos.Cli.Commands;

/// <summary>
/// An archive that is the same as long as names, contents, modes and times of change are: what a template is built of says whether it must be
/// built again. TarFile would write times of reading too, in the order of the directory, and the pax format the process id.
/// </summary>
internal static class ReproducibleTar
{
    /// <param name="source">A file, which gets its own name; or a directory, whose entries do.</param>
    /// <exception cref="IOException">It cannot be read, or has something that is no file, directory or link.</exception>
    public static byte[] Make(string source)
    {
        using var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, TarEntryFormat.Gnu, leaveOpen: true))
        {
            if (Directory.Exists(source))
                AddEntries(writer, new DirectoryInfo(source), "");
            else
                Add(writer, new FileInfo(source), Path.GetFileName(source));
        }
        return archive.ToArray();
    }

    private static void AddEntries(TarWriter writer, DirectoryInfo directory, string prefix)
    {
        foreach (var entry in directory.EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
            Add(writer, entry, prefix + entry.Name);
    }

    private static void Add(TarWriter writer, FileSystemInfo entry, string name)
    {
        if (entry.LinkTarget is { } target)
        {
            writer.WriteEntry(With(new GnuTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target }, entry));
        }
        else if (entry is DirectoryInfo directory)
        {
            writer.WriteEntry(With(new GnuTarEntry(TarEntryType.Directory, name + "/"), entry));
            AddEntries(writer, directory, name + "/");
        }
        else if ((entry.Attributes & FileAttributes.Device) != 0 || !File.Exists(entry.FullName))
        {
            throw new IOException($"'{entry.FullName}' is no file, directory or link, and cannot be copied.");
        }
        else
        {
            using var content = File.OpenRead(entry.FullName);
            var file = With(new GnuTarEntry(TarEntryType.RegularFile, name), entry);
            file.DataStream = content;
            writer.WriteEntry(file);
        }
    }

    private static GnuTarEntry With(GnuTarEntry entry, FileSystemInfo from)
    {
        entry.Mode = from.LinkTarget is null ? from.UnixFileMode : entry.Mode;
        entry.ModificationTime = from.LastWriteTimeUtc;
        return entry;
    }
}
