using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Forks;

/// <summary>
/// A small file that each fork writes anew: in memory, for a file on disk would cost each child a journal's worth of pages and a
/// disk layer, and held open, for to open one is much code to run cold.
/// </summary>
internal sealed unsafe class IdentityFile
{
    private readonly string _path;
    private readonly int _fd;
    private int _length;

    /// <exception cref="AgentError">It cannot be opened.</exception>
    public IdentityFile(string path, uint mode)
    {
        _path = path;
        _fd = Libc.Open(path, 1 | 0x40 | 0x200 | 0x80000 /* O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC */, mode);
        if (_fd < 0)
            throw AgentError.FromLastError(path);
    }

    /// <exception cref="AgentError">It cannot be written.</exception>
    public void Write(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        fixed (byte* data = bytes)
        {
            if (Libc.Pwrite(_fd, data, (nuint)bytes.Length, 0) != bytes.Length || (bytes.Length < _length && Libc.Ftruncate(_fd, bytes.Length) != 0))
                throw AgentError.FromLastError(_path);
        }
        _length = bytes.Length;
    }
}
