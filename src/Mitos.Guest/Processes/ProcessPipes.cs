using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Processes;

/// <summary>The pipes, or the terminal, between the agent and a process that is being started.</summary>
internal sealed unsafe class ProcessPipes : IDisposable
{
    private const int CloseOnExec = 0x80000, NonBlocking = 0x800, ReadWrite = 2, NoTerminal = 0x100;
    private readonly List<int> _open = [];
    private int _input = -1, _output = -1, _error = -1, _null = -1;

    /// <exception cref="AgentError">Too many open files.</exception>
    public ProcessPipes(StartRequest request)
    {
        if (request.Terminal)
            OpenTerminal(request.Rows, request.Columns);
        else
            OpenPipes(request.Stdin);
    }

    /// <summary>Descriptors 0, 1 and 2 of the process.</summary>
    public int[] ChildSide { get; private set; } = [];

    /// <summary>Their owner may open them again, by /dev/stdout, /dev/stderr or the terminal's name.</summary>
    public void GiveTo(Account account)
    {
        foreach (var fd in ChildSide.Where(fd => fd != _null).Distinct())
            _ = Libc.Fchown(fd, account.UserId, account.GroupId); // without root there is only one account
    }

    /// <summary>Input (-1: none), output, error (-1: none). From here on they are the caller's.</summary>
    public (int Input, int Output, int Error) TakeOurSide()
    {
        var result = (_input, _output, _error);
        _open.RemoveAll(fd => fd == result._input || fd == result._output || fd == result._error);
        return result;
    }

    public static void SetSize(int terminal, int rows, int columns)
    {
        var size = stackalloc ushort[4] { (ushort)rows, (ushort)columns, 0, 0 };
        _ = Libc.Ioctl(terminal, 0x5414 /* TIOCSWINSZ */, size);
    }

    public void Dispose() => _open.ForEach(fd => Libc.Close(fd));

    private void OpenPipes(bool stdin)
    {
        if (!stdin)
            _null = Keep(Libc.Open("/dev/null", CloseOnExec, 0), "/dev/null");
        var (childIn, ourIn) = stdin ? Pipe() : (_null, -1);
        var (ourOut, childOut) = Pipe();
        var (ourErr, childErr) = Pipe();
        (_input, _output, _error) = (ourIn, ourOut, ourErr);
        foreach (var ours in new[] { ourIn, ourOut, ourErr }.Where(fd => fd >= 0))
            _ = Libc.Fcntl(ours, 4 /* F_SETFL */, NonBlocking);
        ChildSide = [childIn, childOut, childErr];
    }

    private void OpenTerminal(int rows, int columns)
    {
        var ours = Keep(Libc.Open("/dev/ptmx", ReadWrite | NoTerminal | CloseOnExec | NonBlocking, 0), "/dev/ptmx");
        var unlock = 0;
        var number = 0u;
        if (Libc.Ioctl(ours, 0x40045431 /* TIOCSPTLCK */, &unlock) != 0 || Libc.Ioctl(ours, 0x80045430 /* TIOCGPTN */, &number) != 0)
            throw AgentError.FromLastError("a terminal");
        var theirs = Keep(Libc.Open($"/dev/pts/{number}", ReadWrite | NoTerminal | CloseOnExec, 0), "a terminal");
        SetSize(ours, rows > 0 ? rows : 24, columns > 0 ? columns : 80);
        _output = ours;
        _input = Keep(Libc.Fcntl(ours, 1030 /* F_DUPFD_CLOEXEC */, 0), "a terminal"); // of its own, so that reading and writing are waited for apart
        ChildSide = [theirs, theirs, theirs];
    }

    private (int Read, int Write) Pipe()
    {
        var pair = stackalloc int[2];
        if (Libc.Pipe2(pair, CloseOnExec) != 0)
            throw AgentError.FromLastError("a pipe");
        return (Keep(pair[0], "a pipe"), Keep(pair[1], "a pipe"));
    }

    private int Keep(int fd, string what)
    {
        if (fd < 0)
            throw AgentError.FromLastError(what);
        _open.Add(fd);
        return fd;
    }
}
