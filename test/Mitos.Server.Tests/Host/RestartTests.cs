using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

/// <summary>The daemon as it is installed takes over the state, is killed, and leaves it to the next.</summary>
public sealed class RestartTests(ServerFixture server)
{
    private static string Programs => Environment.GetEnvironmentVariable("MITOS_BIN") ?? throw new InvalidOperationException("MITOS_BIN must name the directory with mitosd/mitosd; `./mitos test` sets it.");

    [Fact]
    public async Task Sandboxes_keys_templates_and_lineage_survive_kill_9_of_the_daemon()
    {
        await using var source = await server.CreateAsync("survivor");
        var child = (await server.Client.ForkAsync(source.Id, new ForkRequest { Names = ["survivor-child"] })).Children[0].Sandbox!;
        await server.Client.ExecAsync(child.Id, new ExecRequest { Cmd = "echo kept > /dev/shm/memory" });
        var key = (await server.Http.PostJsonAsync("v1/keys", """{"name":"survivor"}""").ReadAsync<KeyBody>()).Key!;
        var first = server.Key;
        await server.StopAsync();
        try
        {
            for (var round = 0; round < 2; round++)
                await RunDaemonAsync(child, first, key);
        }
        finally
        {
            await server.StartAsync();
        }
        await CheckAsync(server.Client, child);
        await server.Client.RemoveAsync(child.Id);
        foreach (var made in (await server.Client.ListKeysAsync()).Where(made => made.Name == "survivor"))
            await server.Client.DeleteKeyAsync(made.Id);
    }

    private async Task RunDaemonAsync(SandboxBody child, params string[] keys)
    {
        var listen = FindAddress();
        var start = new ProcessStartInfo(Path.Combine(Programs, "mitosd", "mitosd"))
        {
            ArgumentList = { "--state", server.Options.StateDirectory, "--run", server.Options.RunDirectory, "--listen", listen, "--warm", "0" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var daemon = Process.Start(start)!;
        try
        {
            var line = "";
            while (line?.StartsWith("mitosd serves", StringComparison.Ordinal) == false)
                line = await daemon.StandardOutput.ReadLineAsync(ServerFixture.Soon);
            if (line is null)
                Assert.Fail(await daemon.StandardError.ReadToEndAsync());
            using var local = MitosClient.Local(server.Socket);
            Assert.Equal(daemon.Id, (await local.GetHealthAsync()).Pid);
            await CheckAsync(local, child);
            foreach (var key in keys)
            {
                using var remote = MitosClient.Remote(new Uri($"http://{listen}"), key);
                Assert.Contains(await remote.ListTemplatesAsync(), template => template.Name == "base");
            }
        }
        finally
        {
            daemon.Kill();
            await daemon.WaitForExitAsync();
        }
    }

    private static string FindAddress()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        return free.LocalEndpoint.ToString()!;
    }

    private static async Task CheckAsync(MitosClient client, SandboxBody child)
    {
        var found = await client.GetAsync("survivor-child");
        Assert.Equal((child.Id, child.ForkedFrom, "running", child.VmmPid), (found.Id, found.ForkedFrom, found.State, found.VmmPid));
        Assert.Equal("kept\n", (await client.ExecAsync(child.Id, new ExecRequest { Cmd = "cat /dev/shm/memory" })).Stdout);
        Assert.Contains(await client.GetTreeAsync("survivor"), node => node.Id == child.Id && node.Depth == 1);
    }
}
