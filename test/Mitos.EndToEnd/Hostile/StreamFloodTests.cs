using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Hostile;

/// <summary>More streams than are allowed, by one team. It is told so; others feel nothing; and the daemon is afterwards as it was.</summary>
public sealed class StreamFloodTests(Daemon daemon) : IClassFixture<Daemon>
{
    private const int Streams = 5000, OfTeam = 4096, Sandboxes = 5;

    // A flood takes some 100 MiB, and its garbage may wait for the next: two that left theirs would add up to more than that.
    private const int Floods = 2;
    private const long Bound = 160L << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Five_thousand_streams_are_refused_beyond_the_limit_and_leave_nothing()
    {
        var key = await TeamKeys.MakeAsync(daemon, "red");
        using var red = MitosClient.Remote(daemon.Address, key);
        var source = await red.CreateAsync(new CreateSandboxRequest());
        int pid;
        using (var sleeping = await red.OpenExecAsync(source.Id, new ExecRequest { Argv = ["sleep", "100000"], Detach = true }))
            pid = sleeping.Pid;
        var all = new List<SandboxBody> { source };
        all.AddRange((await red.ForkAsync(source.Id, new ForkRequest { Count = Sandboxes - 1 })).Children.Select(child => child.Sandbox!));
        var other = await daemon.CreateAsync();
        using var silent = await OpenSilentAsync(other);

        for (var i = 0; i < 2; i++)
            await FloodAsync(all, pid, red, other); // what the first make may stay: pools, compiled code
        var (descriptors, memory) = (Procfs.Descriptors(daemon.Pid), Procfs.Memory(daemon.Pid));
        for (var i = 0; i < Floods; i++)
            await FloodAsync(all, pid, red, other);
        await UntilAsync(() => Procfs.Descriptors(daemon.Pid) <= descriptors + 8, () => $"{descriptors} descriptors became {Procfs.Descriptors(daemon.Pid)}"); // connections of idle clients come and go
        Assert.True(Procfs.Memory(daemon.Pid) - memory < Bound, $"{memory >> 20} MiB became {Procfs.Memory(daemon.Pid) >> 20}");

        var buffer = new byte[4096];
        var said = await silent.ReceiveAsync(buffer, new CancellationTokenSource(Limit).Token); // one who asks for nothing is told so as well
        Assert.Contains("deadline_exceeded", Encoding.UTF8.GetString(buffer, 0, said.Count), StringComparison.Ordinal);
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    private static async Task UntilAsync(Func<bool> isSo, Func<string> what)
    {
        for (var until = DateTime.UtcNow + Limit; !isSo(); await Task.Delay(100))
            Assert.True(DateTime.UtcNow < until, what());
    }

    private async Task<ClientWebSocket> OpenSilentAsync(string id)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("X-API-Key", (await File.ReadAllTextAsync(Path.Combine(daemon.StateDirectory, "api-key"))).Trim());
        await socket.ConnectAsync(new UriBuilder(daemon.Address) { Scheme = "ws", Path = $"v1/sandboxes/{id}/exec/stream" }.Uri, TestContext.Current.CancellationToken);
        return socket;
    }

    private async Task FloodAsync(List<SandboxBody> sandboxes, int pid, MitosClient red, string other)
    {
        var sockets = new Socket[Streams];
        try
        {
            await Parallel.ForAsync(0, Streams, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) => sockets[i] = await OpenAsync(sandboxes[i % Sandboxes], pid));
            await UntilAsync(() => sockets.Count(socket => socket.Available > 0) >= Streams - OfTeam, () => $"{sockets.Count(socket => socket.Available > 0)} are answered");
            var refused = sockets.Where(socket => socket.Available > 0).ToList();
            foreach (var socket in refused)
            {
                var answer = await ReadAsync(socket);
                Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal); // a stream's refusal is its last message
                Assert.Contains($"\"resource_exhausted\",\"message\":\"{OfTeam} calls of this team", answer, StringComparison.Ordinal);
            }
            Assert.Equal(Streams - OfTeam, refused.Count);
            var error = await Assert.ThrowsAsync<MitosException>(() => red.ExecAsync(sandboxes[0].Id, new ExecRequest { Cmd = "true" }));
            Assert.Equal(ErrorCodes.Exhausted, error.Code);
            Assert.Equal("well", await daemon.ShellAsync(other, "echo well")); // another team's
            Assert.Equal("well", await daemon.ShellAsync(Assert.Single(await daemon.ForkAsync(other, 1)), "echo well"));
            Assert.Equal(Sandboxes, (await red.ListAsync()).Count);

            var open = sockets.Except(refused).ToList();
            foreach (var socket in open.Take(100))
                socket.Shutdown(SocketShutdown.Send); // in the middle of their request
            foreach (var socket in open.Skip(100).Take(100))
            {
                await socket.SendAsync("0\r\n\r\n"u8.ToArray());
                Assert.Contains("\r\n0\r\n\r\n", await ReadAsync(socket), StringComparison.Ordinal);
            }
        }
        finally
        {
            foreach (var socket in sockets)
                socket?.Dispose();
        }
        // when the last is gone, there is room again
        var soon = new CancellationTokenSource(Limit).Token;
        while (true)
        {
            try
            {
                await red.ExecAsync(sandboxes[0].Id, new ExecRequest { Cmd = "true" }, soon);
                return;
            }
            catch (MitosException e) when (e.Code == ErrorCodes.Exhausted)
            {
                await Task.Delay(50, soon);
            }
        }
    }

    // A stream of input to a process, of which there is none for now.
    private async Task<Socket> OpenAsync(SandboxBody sandbox, int pid)
    {
        var message = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { start = new { process = new { pid } } }));
        byte[] frame = [0, 0, 0, 0, (byte)message.Length, .. message];
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, daemon.Address.Port));
        await socket.SendAsync((byte[])
        [
            .. Encoding.ASCII.GetBytes($"POST /process.Process/StreamInput HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: {sandbox.Id}\r\nE2b-Sandbox-Port: 49983\r\nX-Access-Token: {sandbox.AccessToken}\r\n"
                + $"Content-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n{frame.Length:x}\r\n"),
            .. frame, .. "\r\n"u8,
        ]);
        return socket;
    }

    // To the end of its chunks.
    private static async Task<string> ReadAsync(Socket socket)
    {
        var soon = new CancellationTokenSource(Limit).Token;
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        while (!answer.ToString().EndsWith("0\r\n\r\n", StringComparison.Ordinal))
        {
            var got = await socket.ReceiveAsync(buffer, soon);
            if (got == 0)
                break;
            answer.Append(Encoding.Latin1.GetString(buffer, 0, got));
        }
        return answer.ToString();
    }
}
