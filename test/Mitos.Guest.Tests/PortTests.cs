using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class PortTests
{
    private static CancellationToken Deadline => AgentHost.Deadline;

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task Bytes_go_both_ways_and_each_direction_ends_for_itself(string address)
    {
        await using var host = new AgentHost();
        using var server = Listen(IPAddress.Parse(address));
        await using var stream = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using var peer = await server.AcceptTcpClientAsync(Deadline);
        var upload = RandomNumberGenerator.GetBytes(1_000_000);
        var writing = WriteAsync(stream, upload);
        var received = new MemoryStream();
        await peer.GetStream().CopyToAsync(received, Deadline);
        await writing;
        Assert.Equal(upload, received.ToArray());

        var download = RandomNumberGenerator.GetBytes(1_000_000);
        var sending = peer.GetStream().WriteAsync(download, Deadline).AsTask();
        received = new MemoryStream();
        var buffer = new byte[download.Length];
        await stream.ReadExactlyAsync(buffer, Deadline);
        await sending;
        peer.Close();
        Assert.Equal(0, await stream.ReadAsync(new byte[1], Deadline));
        Assert.Equal(download, buffer);

        static async Task WriteAsync(AgentPortStream stream, byte[] bytes)
        {
            await stream.WriteAsync(bytes, Deadline);
            await stream.CompleteWritesAsync(Deadline);
        }
    }

    [Fact]
    public async Task A_server_that_sends_without_end_waits_for_a_reader_that_does_not_read()
    {
        await using var host = new AgentHost();
        using var server = Listen(IPAddress.Loopback);
        await using var stream = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using var peer = await server.AcceptTcpClientAsync(Deadline);
        peer.Client.Blocking = false;
        var sent = 0L;
        var chunk = new byte[64 << 10];
        for (var full = 0; full < 20;)
        {
            try
            {
                sent += peer.Client.Send(chunk);
                full = 0;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                full++;
                await host.Agent.PingAsync(Deadline);
            }
            Assert.True(sent < 64 << 20, "it was never held back");
        }
        Assert.True(Memory.ResidentKiB(host.ProcessId) < 16 << 10);
    }

    [Fact]
    public async Task A_reset_is_told_either_way()
    {
        await using var host = new AgentHost();
        using var server = Listen(IPAddress.Loopback);
        await using var stream = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using (var peer = await server.AcceptTcpClientAsync(Deadline))
        {
            peer.Client.LingerState = new LingerOption(true, 0);
            peer.Client.Dispose(); // the client's own Dispose would say a regular end first
        }
        await Assert.ThrowsAsync<IOException>(() => stream.ReadExactlyAsync(new byte[1], Deadline).AsTask());

        var second = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using var other = await server.AcceptTcpClientAsync(Deadline);
        await second.ResetAsync();
        await Assert.ThrowsAsync<IOException>(() => other.GetStream().ReadExactlyAsync(new byte[1], Deadline).AsTask());
    }

    [Fact]
    public async Task Disposing_closes_the_connection()
    {
        await using var host = new AgentHost();
        using var server = Listen(IPAddress.Loopback);
        var stream = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using var peer = await server.AcceptTcpClientAsync(Deadline);
        await stream.DisposeAsync();
        Assert.Equal(0, await peer.GetStream().ReadAsync(new byte[1], Deadline));
    }

    [Fact]
    public async Task Another_client_breaks_off_the_streams_of_the_one_before()
    {
        await using var host = new AgentHost();
        using var server = Listen(IPAddress.Loopback);
        await using var stream = await host.Agent.OpenPortAsync(Port(server), Deadline);
        using var peer = await server.AcceptTcpClientAsync(Deadline);
        await host.Connect().ConnectAsync(Deadline);
        await Assert.ThrowsAsync<IOException>(() => peer.GetStream().ReadExactlyAsync(new byte[1], Deadline).AsTask());
    }

    [Fact]
    public async Task A_port_that_nobody_listens_on_and_one_that_cannot_be_are_refused()
    {
        await using var host = new AgentHost();
        int free;
        using (var server = Listen(IPAddress.Loopback))
            free = Port(server);
        var refused = await Assert.ThrowsAsync<AgentException>(() => host.Agent.OpenPortAsync(free, Deadline));
        Assert.Equal((AgentErrorCode.FailedPrecondition, 111), (refused.Code, refused.Errno));
        Assert.Contains($"Nothing listens on port {free}", refused.Message);
        Assert.Equal(AgentErrorCode.InvalidArgument, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.OpenPortAsync(70000, Deadline))).Code);
    }

    private static TcpListener Listen(IPAddress address)
    {
        var server = new TcpListener(address, 0);
        server.Start();
        return server;
    }

    private static int Port(TcpListener server) => ((IPEndPoint)server.LocalEndpoint).Port;
}
