using System.Diagnostics;
using System.Net.Sockets;
using Mitos.Engine.Agent;

namespace Mitos.Guest.Tests.Hosting;

/// <summary>
/// The real agent as an ordinary process in a directory of its own, and clients of it. Its end takes all that it started, and
/// fails the test when something survives.
/// </summary>
internal sealed class AgentHost : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("mitos-").FullName;
    private readonly Process _agent;
    private readonly List<AgentClient> _clients = [];

    public AgentHost()
    {
        File.SetUnixFileMode(_directory, (UnixFileMode)0x1ED); // other users' tests need to reach below it
        Directory.CreateDirectory(Root);
        _agent = Process.Start(new ProcessStartInfo(AgentBinary.Path, ["--listen", SocketPath, "--root", Root]) { RedirectStandardError = true })!;
        _ = ListenAsync();
        Agent = Connect();
    }

    /// <summary>Longest time that a step of a test takes; ends it instead of hanging.</summary>
    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public AgentClient Agent { get; }

    /// <summary>Stands for the root of the file system in the handshake.</summary>
    public string Root => Path.Combine(_directory, "root");

    /// <summary>What the agent said on its console; empty unless something is wrong with it.</summary>
    public string Console { get; private set; } = "";

    public int ProcessId => _agent.Id;

    public Process Process => _agent;

    private string SocketPath => Path.Combine(_directory, "agent");

    /// <summary>A path for a file of the test.</summary>
    public string PathOf(string name) => Path.Combine(_directory, name);

    /// <summary>Another client, over a stream that <paramref name="wrap"/> may tamper with.</summary>
    public AgentClient Connect(Func<Stream, Stream>? wrap = null)
    {
        var client = new AgentClient(async cancellationToken =>
        {
            var stream = await OpenAsync(cancellationToken);
            return wrap is null ? stream : wrap(stream);
        }, "sandbox itest");
        _clients.Add(client);
        return client;
    }

    /// <summary>A bare connection.</summary>
    public async Task<Stream> OpenAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        var alive = !_agent.HasExited;
        foreach (var client in _clients)
            await client.DisposeAsync();
        _agent.Kill(entireProcessTree: true);
        await _agent.WaitForExitAsync();
        Directory.Delete(_directory, recursive: true);
        Assert.True(alive, $"the agent ended during the test: {Console}");
        Assert.Equal("", Console);
    }

    private async Task ListenAsync()
    {
        while (await _agent.StandardError.ReadLineAsync() is { } line)
            Console += line + "\n";
    }
}
