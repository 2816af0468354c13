using System.Net.Sockets;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

/// <summary>Bad input: a message, a remedy, a status that is not 0, and nothing lost.</summary>
[Collection(CommandsCollection.Name)]
public sealed class RefusalTests(CommandsDaemon daemon)
{
    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("101")]
    public async Task A_count_out_of_range_is_refused(string count)
    {
        var before = (await daemon.ListAsync()).Count;
        (await daemon.MitosAsync("fork", "shared", "--count", count)).Refused(2, count, "1 to 100");
        Assert.Equal(before, (await daemon.ListAsync()).Count);
    }

    [Theory]
    [InlineData("fork", "shared", "--count", "many")]
    [InlineData("fork", "shared", "--count", "99999999999")]
    [InlineData("fork", "shared", "--count")]
    [InlineData("fork")]
    [InlineData("frok", "shared")]
    [InlineData("ls", "--no-such-option")]
    [InlineData("create", "surplus")]
    [InlineData("create", "--memory", "-5")]
    [InlineData("create", "--cpu", "99")]
    [InlineData("create", "--env", "novalue")]
    [InlineData("create", "--name", "shared/..")]
    [InlineData("create", "--name", "")]
    [InlineData("completion", "tcsh")]
    [InlineData("template", "build", "a/b")]
    [InlineData("template", "build", "x", "--copy", "nowhere")]
    [InlineData("top", "--interval", "soon")]
    public async Task Misuse_is_refused_with_status_2(params string[] arguments) => (await daemon.MitosAsync(arguments)).Refused(2, "");

    [Fact]
    public async Task An_unknown_sandbox_or_template_is_refused_with_the_nearest()
    {
        foreach (var command in new[] { "inspect", "fork", "logs", "rm" })
            (await daemon.MitosAsync(command, "shraed")).Refused(3, "shraed", "'shared'");
        (await daemon.MitosAsync("inspect", daemon.Shared[..^1] + "!")).Refused(3, daemon.Shared[..^1], daemon.Shared);
        (await daemon.MitosAsync("inspect", "../../etc/passwd")).Refused(3, "passwd");
        (await daemon.MitosAsync("inspect", ".")).Refused(3, "'.'");
        (await daemon.MitosAsync("inspect", "..")).Refused(3, "'..'");
        (await daemon.MitosAsync("inspect", "")).Refused(3, "''");
        (await daemon.MitosAsync("inspect", new string('x', 5000))).Refused(3, "xxx");
        (await daemon.MitosAsync("create", "--template", "bsae")).Refused(3, "bsae", "'base'");
        (await daemon.MitosAsync("template", "rm", "bsae")).Refused(3, "bsae", "'base'");
        (await daemon.MitosAsync("template", "build", "x", "--from", "bsae")).Refused(3, "bsae", "'base'");
    }

    [Fact]
    public async Task A_name_or_template_in_use_is_refused()
    {
        (await daemon.MitosAsync("create", "--name", "shared")).Refused(4, "shared", "rm shared");
        (await daemon.MitosAsync("template", "rm", "base")).Refused(4, "base", "mitos ls");
        Assert.Equal("well", await daemon.ShellAsync("shared", "echo well"));
    }

    [Fact]
    public async Task Paths_that_climb_stay_in_the_guest_and_long_ones_are_refused()
    {
        var passwd = (await daemon.MitosAsync("cp", "shared:/../../../../etc/hostname", "/dev/stdout")).Ok();
        Assert.NotEqual(await File.ReadAllTextAsync("/etc/hostname", TestContext.Current.CancellationToken), passwd.Text);
        var endless = "/tmp/" + new string('p', 5000);
        (await daemon.MitosAsync("cp", $"shared:{endless}", "/dev/null")).Refused(2, "too long");
        (await daemon.MitosAsync("cp", "/etc/hostname", $"shared:{endless}")).Refused(2, "too long");
        (await daemon.MitosAsync("cp", "/etc/hostname", "shared:")).Refused(2, "path is missing");
        (await daemon.MitosAsync("exec", "-w", endless, "shared", "--", "true")).Refused(125, "too long");
    }

    // No argument of a program can have a NUL, so this one is sent by hand.
    [Theory]
    [InlineData("GET", "/v1/sandboxes/shared/files?path=/etc/hosts%00.png")]
    [InlineData("PUT", "/v1/sandboxes/shared/files?path=/tmp/a%00b")]
    [InlineData("GET", "/v1/sandboxes/shared%00/files?path=/etc/hosts")]
    public async Task A_path_with_a_NUL_is_refused(string method, string target)
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(daemon.Socket), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var http = new HttpClient(handler);
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://localhost" + target) { Content = method == "PUT" ? new ByteArrayContent([1]) : null };
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.InRange((int)response.StatusCode, 400, 404);
        if (response.Content.Headers.ContentLength != 0)
            Assert.Contains("\"message\"", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_daemon_each_command_says_how_to_start_it()
    {
        var lonely = new Runner(new Dictionary<string, string> { ["MITOS_BIN"] = Programs.Directory, ["MITOS_RUN"] = "/tmp/no-such-run", ["MITOS_STATE"] = "/tmp/no-such-state", ["MITOS_URL"] = "", ["NO_COLOR"] = "" });
        foreach (var arguments in new[] { ["ls"], ["tree"], ["status"], ["create"], ["fork", "x"], ["rm", "x"], ["rm", "--all"], ["logs", "x"], ["inspect", "x"], ["top", "--once"], ["template", "ls"], new[] { "cp", "x:/a", "/tmp/a" } })
            (await lonely.RunAsync(Programs.Cli, arguments)).Refused(6, "mitosd is not running", "mitos up");
        (await lonely.RunAsync(Programs.Cli, ["exec", "x", "--", "true"])).Refused(125, "mitosd is not running", "mitos up");
        Assert.Equal(0, (await lonely.RunAsync(Programs.Cli, ["down"])).Code);
        Assert.False(Directory.Exists("/tmp/no-such-state"));
    }
}
