namespace Mitos.Guest.Files;

/// <summary>A small file that is asked for again and again: read anew only when its status has changed. Safe for concurrent use.</summary>
internal sealed class TextFile(string path)
{
    private readonly Lock _lock = new();
    private (ulong Inode, long Size, long Changed, uint Nanoseconds) _version;
    private string[] _lines = [];

    /// <summary>Its lines; none when there is no such file.</summary>
    public string[] Lines()
    {
        lock (_lock)
        {
            var version = FileStat.Version(path);
            if (version != _version)
            {
                _lines = version.Inode == 0 ? [] : File.ReadAllLines(path);
                _version = version;
            }
            return _lines;
        }
    }
}
