using System.Text;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;

namespace Mitos.Linux.Tests.Hosting;

/// <summary>A spawned <c>cat</c>, which waits until its standard input ends; what it is made of can be read under /proc meanwhile.</summary>
internal sealed class Spawned : IDisposable
{
    private readonly UnixSocket _socket;

    public Spawned(Func<SpawnOptions, SpawnOptions>? change = null, bool isCat = true)
    {
        var (ours, theirs) = UnixSocket.Pair("cat");
        _socket = ours;
        using (theirs)
        {
            var options = new SpawnOptions { Path = "/bin/cat", Arguments = ["cat"], Descriptors = [theirs.Descriptor, theirs.Descriptor, 2] };
            try
            {
                Process = Spawner.Start(change?.Invoke(options) ?? options);
                if (isCat)
                    AwaitEcho(); // at the moment of execve /proc/PID/cmdline and its like are still empty
            }
            catch
            {
                ours.Dispose();
                throw;
            }
        }
    }

    public HostProcess Process { get; }

    /// <summary>Runs another program to its end; returns its output.</summary>
    public static string Run(Func<SpawnOptions, SpawnOptions> change)
    {
        using var program = new Spawned(change, isCat: false);
        var output = new MemoryStream();
        var buffer = new byte[4096];
        int got;
        while ((got = program._socket.Receive(buffer, Deadline.In(TimeSpan.FromSeconds(30)))) > 0)
            output.Write(buffer, 0, got);
        return Encoding.UTF8.GetString(output.ToArray());
    }

    public string Read(string file) => File.ReadAllText($"/proc/{Process.Id}/{file}");

    /// <summary>A line of /proc/PID/status.</summary>
    public string Status(string name) => Read("status").Split('\n').Single(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..].Trim();

    /// <summary>Strings of a file of /proc/PID that ends each with a zero.</summary>
    public string[] Strings(string file) => Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{Process.Id}/{file}")).Split('\0')[..^1];

    private void AwaitEcho()
    {
        var deadline = Deadline.In(TimeSpan.FromSeconds(30));
        _socket.Send("x"u8, deadline);
        var echo = new byte[1];
        Assert.Equal(1, _socket.Receive(echo, deadline));
    }

    public void Dispose()
    {
        Process.Kill();
        Assert.True(Process.Exited.Wait(TimeSpan.FromSeconds(30)));
        Process.Dispose();
        _socket.Dispose();
    }
}
