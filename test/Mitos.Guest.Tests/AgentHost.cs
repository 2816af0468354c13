using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

/// <summary>The real agent as a process of this host, and the real client, over a stream that can be made to break.</summary>
public sealed class AgentHost : IAsyncDisposable
{
    private readonly Process _process;

    public AgentHost(Func<Stream, Stream>? wrap = null)
    {
        Root = Directory.CreateTempSubdirectory("mitos-agent-").FullName;
        var program = Path.Combine(
            Environment.GetEnvironmentVariable("MITOS_GUEST_DIR") ?? throw new InvalidOperationException("MITOS_GUEST_DIR must name the directory of mitos-guest; `./mitos test` sets it."), "mitos-guest");
        Socket = Path.Combine(Root, "socket");
        _process = Process.Start(new ProcessStartInfo(program, ["--listen", Socket, "--root", Root]))!;
        Client = new AgentClient(token => ConnectAsync(wrap, token), "the agent under test");
    }

    public string Root { get; }

    public string Socket { get; }

    public AgentClient Client { get; }

    /// <summary>Times that a stream was opened.</summary>
    public int Connects { get; private set; }

    public long ResidentKiB
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
        }
    }

    public async Task<(int Code, string Stdout, string Stderr)> RunAsync(ProcessSpec spec)
    {
        await using var process = await Client.StartAsync(spec, CancellationToken.None);
        var (stdout, stderr) = (new MemoryStream(), new MemoryStream());
        await foreach (var next in process.ReadAsync(CancellationToken.None))
            (next.Stream == OutputStream.Stdout ? stdout : stderr).Write(next.Bytes.Span);
        return ((await process.Exit).Code, Encoding.UTF8.GetString(stdout.ToArray()), Encoding.UTF8.GetString(stderr.ToArray()));
    }

    public Task<(int Code, string Stdout, string Stderr)> ShellAsync(string command) => RunAsync(new ProcessSpec { Argv = ["/bin/sh", "-c", command], User = "root", Directory = "/" });

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private async ValueTask<Stream> ConnectAsync(Func<Stream, Stream>? wrap, CancellationToken token)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), token);
        Connects++;
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        return wrap is null ? stream : wrap(stream);
    }
}
