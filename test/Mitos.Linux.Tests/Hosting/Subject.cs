using System.Globalization;
using System.Text;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;

namespace Mitos.Linux.Tests.Hosting;

/// <summary>Another process that maps a memory file privately; see native/subject.c.</summary>
internal sealed class Subject : IDisposable
{
    private readonly UnixSocket _socket;

    public Subject(MemoryFile memory)
    {
        var (ours, theirs) = UnixSocket.Pair("the subject");
        _socket = ours;
        using (theirs)
        {
            Process = Spawner.Start(new SpawnOptions
            {
                Path = CProgram.Build("subject"),
                Arguments = ["subject"],
                Descriptors = [theirs.Descriptor, theirs.Descriptor, 2, memory.Descriptor],
            });
        }
        Address = ulong.Parse(ReadLine()["mapped ".Length..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    public HostProcess Process { get; }

    /// <summary>Address of the mapping.</summary>
    public ulong Address { get; }

    public void Write(int page, byte value) => Command($"w {page} {value}");

    public void Read(int page) => Command($"r {page}");

    public void Discard(int page) => Command($"d {page}");

    /// <summary>Ends it and waits until it is gone.</summary>
    public void End()
    {
        Process.Kill();
        Process.Exited.Wait();
    }

    public void Dispose()
    {
        End();
        Process.Dispose();
        _socket.Dispose();
    }

    private void Command(string line)
    {
        _socket.Send(Encoding.ASCII.GetBytes(line + "\n"), Patience());
        Assert.Equal("ok", ReadLine());
    }

    private string ReadLine()
    {
        var line = new StringBuilder();
        var next = new byte[1];
        while (_socket.Receive(next, Patience()) == 1 && next[0] != '\n')
            line.Append((char)next[0]);
        return line.ToString();
    }

    private static Deadline Patience() => Deadline.In(TimeSpan.FromSeconds(30));
}
