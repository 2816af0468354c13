using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;

namespace Mitos.Guest.Tests;

/// <summary>The stream may break at any byte; whoever uses the client does not notice.</summary>
public sealed class ResumeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_stream_of_output_survives_cuts_anywhere_with_no_byte_lost_or_doubled(int seed)
    {
        var random = new Random(seed);
        await using var host = new AgentHost();
        var connects = 0;
        var client = host.Connect(stream =>
        {
            connects++;
            return new CuttingStream(stream, random.Next(20_000, 300_000));
        });
        await using var process = await client.StartAsync(new ProcessSpec { Argv = ["seq", "700000"], User = "root", Directory = "/" }, CancellationToken.None);
        var text = Encoding.ASCII.GetString((await ProcessOutput.ReadAsync(process, AgentHost.Deadline)).Stdout);
        Assert.Equal(string.Concat(Enumerable.Range(1, 700000).Select(i => $"{i}\n")), text);
        Assert.Equal(0, (await process.Exit).Code);
        Assert.True(connects > 10, $"only {connects} connects");
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task An_upload_and_input_survive_cuts_anywhere(int seed)
    {
        var random = new Random(seed);
        await using var host = new AgentHost();
        var connects = 0;
        var client = host.Connect(stream =>
        {
            connects++;
            return new CuttingStream(stream, random.Next(100_000, 400_000));
        });
        var content = RandomNumberGenerator.GetBytes(5 << 20);
        await client.Files.WriteAsync(host.PathOf("upload"), new MemoryStream(content), 0, "root", CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(content, File.ReadAllBytes(host.PathOf("upload")));
        await using var process = await client.StartAsync(new ProcessSpec { Argv = ["sha256sum"], Stdin = true, User = "root", Directory = "/" }, CancellationToken.None);
        await process.WriteStdinAsync(content, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        await process.CloseStdinAsync(CancellationToken.None);
        var sum = (await ProcessOutput.ReadAsync(process, AgentHost.Deadline)).Out;
        Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(content)), sum, StringComparison.Ordinal);
        Assert.True(connects > 10, $"only {connects} connects");
    }

    [Fact]
    public async Task What_an_earlier_host_left_in_the_stream_is_ignored()
    {
        await using var host = new AgentHost();
        var client = host.Connect(stream =>
        {
            stream.Write(RandomNumberGenerator.GetBytes(5000)); // the tail of somebody else's frame
            return stream;
        });
        Assert.Equal("well\n", (await ProcessOutput.RunAsync(client, "echo well", AgentHost.Deadline)).Out);
    }

    [Fact]
    public async Task A_handshake_names_the_machine_and_runs_its_hooks_in_order()
    {
        await using var agent = new AgentHost();
        var hooks = Directory.CreateDirectory(agent.Root + "/etc/mitos/fork.d").FullName;
        Hook(hooks, "20-second", $"echo second $MITOS_FORK_INDEX >> {agent.Root}/trail");
        Hook(hooks, "10-first", $"echo first $MITOS_SANDBOX_ID >> {agent.Root}/trail");
        await agent.Agent.HandshakeAsync(Identity("ibox"), CancellationToken.None);
        Assert.Equal("first ibox\nsecond 3\n", File.ReadAllText(agent.Root + "/trail"));
        Assert.Equal("ibox\n", File.ReadAllText(agent.Root + "/run/mitos/sandbox-id"));
        Assert.Equal("COLOUR='blue'\n", File.ReadAllText(agent.Root + "/run/mitos/env"));
        Assert.Equal("blue\n", (await ProcessOutput.RunAsync(agent.Agent, "echo $COLOUR", AgentHost.Deadline)).Out);
        Hook(hooks, "30-bad", "echo it broke; exit 4");
        var error = await Assert.ThrowsAsync<AgentException>(() => agent.Agent.HandshakeAsync(Identity("ibox"), CancellationToken.None));
        Assert.Contains("30-bad", error.Message, StringComparison.Ordinal);
        Assert.Contains("it broke", error.Message, StringComparison.Ordinal);
    }

    private static ForkIdentity Identity(string id) => new()
    {
        SandboxId = id,
        ForkId = "fork",
        Index = 3,
        Entropy = RandomNumberGenerator.GetBytes(32),
        Hostname = id,
        MachineId = new string('a', 32),
        Token = "secret",
        Environment = new Dictionary<string, string> { ["COLOUR"] = "blue" },
    };

    private static void Hook(string folder, string name, string script)
    {
        File.WriteAllText(Path.Combine(folder, name), "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(Path.Combine(folder, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
