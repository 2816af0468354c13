using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Mitos.Cli.Tests.Hosting;

/// <summary>A program with a terminal of its own (pty(7)), as a person has it before them.</summary>
public sealed partial class Terminal : IAsyncDisposable
{
    private const nuint SetSize = 0x5414; // TIOCSWINSZ
    private readonly FileStream _master;
    private readonly Running _running;
    private readonly StringBuilder _seen = new();
    private readonly Task _reading;

    /// <param name="mitos">Whose environment it has.</param>
    /// <param name="rows">Of the terminal.</param>
    /// <param name="columns">Of the terminal.</param>
    /// <param name="command">Program and arguments; <c>mitos</c> is found on the path.</param>
    public Terminal(Installation mitos, int rows, int columns, params string[] command)
    {
        var descriptor = OpenMaster(0x102 /* O_RDWR | O_NOCTTY */);
        var name = new byte[128];
        Assert.True(descriptor >= 0 && Grant(descriptor) == 0 && Unlock(descriptor) == 0 && NameOf(descriptor, name, (nuint)name.Length) == 0, "no pseudo-terminal could be had");
        Path = Encoding.ASCII.GetString(name).TrimEnd('\0');
        _master = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0);
        Resize(rows, columns);
        // the first terminal that a session's leader opens is its own
        _running = mitos.StartProgram("setsid", ["--wait", "sh", "-c", "exec \"$@\" <\"$0\" >\"$0\" 2>&1", Path, .. command]);
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>Of its device.</summary>
    public string Path { get; }

    /// <summary>All that was on the screen so far.</summary>
    public string Seen
    {
        get
        {
            lock (_seen)
                return _seen.ToString();
        }
    }

    public void Resize(int rows, int columns) =>
        Assert.Equal(0, Ioctl((int)_master.SafeFileHandle.DangerousGetHandle(), SetSize, [(ushort)rows, (ushort)columns, 0, 0]));

    /// <summary>Presses keys.</summary>
    public void Type(string keys) => _master.Write(Encoding.UTF8.GetBytes(keys));

    /// <summary>Waits until something is on the screen.</summary>
    public async Task AwaitAsync(string text)
    {
        var until = DateTime.UtcNow + Running.Limit;
        while (!Seen.Contains(text, StringComparison.Ordinal))
        {
            if (DateTime.UtcNow > until || _running.Process.HasExited && _reading.IsCompleted)
                throw new TimeoutException($"'{text}' does not come; there was: {Seen}");
            await Task.Delay(20);
        }
    }

    /// <summary>Waits for the program's end, and until all that it showed is seen. The exit code.</summary>
    public async Task<int> EndAsync()
    {
        await _running.Process.WaitForExitAsync().WaitAsync(Running.Limit);
        await _reading.WaitAsync(Running.Limit); // ends when nobody has the other side any more
        return _running.Process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        await _running.DisposeAsync();
        await _master.DisposeAsync();
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[4096];
        try
        {
            for (int got; (got = await _master.ReadAsync(buffer)) > 0;)
            {
                lock (_seen)
                    _seen.Append(Encoding.UTF8.GetString(buffer, 0, got));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // nobody has the other side any more
        }
    }

    [LibraryImport("libc", EntryPoint = "posix_openpt")]
    private static partial int OpenMaster(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt")]
    private static partial int Grant(int descriptor);

    [LibraryImport("libc", EntryPoint = "unlockpt")]
    private static partial int Unlock(int descriptor);

    [LibraryImport("libc", EntryPoint = "ptsname_r")]
    private static partial int NameOf(int descriptor, byte[] name, nuint length);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Ioctl(int descriptor, nuint request, ushort[] size);
}
