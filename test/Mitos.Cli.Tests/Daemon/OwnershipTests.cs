using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Daemon;

/// <summary>One daemon for one state directory, one run directory and one address.</summary>
public sealed class OwnershipTests(MitosFixture fixture)
{
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task A_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on()
    {
        var id = await _mitos.CreateAsync();
        var first = await _mitos.DaemonPidAsync();
        await using (var second = new Running(Installation.Daemon, ["--run", _mitos.RunDirectory + "-2", "--listen", Installation.FindAddress()], _mitos.Environment))
        {
            var refused = await second.EndAsync();
            Assert.Equal(1, refused.Code);
            Assert.Contains($"{_mitos.StateDirectory} is in use by process {first}", refused.Errors, StringComparison.Ordinal);
            Assert.Contains("MITOS_STATE", refused.Errors, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(_mitos.RunDirectory + "-2"));
        Assert.Equal(first, await _mitos.DaemonPidAsync());
        Assert.Equal("well", await _mitos.InAsync(id, "echo well"));
        await _mitos.RemoveAllAsync();
    }

    /// <summary>Its sockets and machines are not the second's to remove, whether its own daemon runs or not.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_daemon_of_another_state_keeps_its_hands_off_the_run_directory(bool runs)
    {
        var id = await _mitos.CreateAsync();
        if (!runs)
            await _mitos.DownAsync();
        var other = _mitos.StateDirectory + "-other";
        await using (var second = new Running(Installation.Daemon, ["--state", other, "--listen", Installation.FindAddress()], _mitos.Environment))
        {
            var refused = await second.EndAsync();
            Assert.Equal(1, refused.Code);
            Assert.Contains(_mitos.RunDirectory, refused.Errors, StringComparison.Ordinal);
            Assert.Contains("MITOS_RUN", refused.Errors, StringComparison.Ordinal);
        }
        Directory.Delete(other, recursive: true);
        if (!runs)
            await _mitos.UpAsync();
        Assert.Equal("well", await _mitos.InAsync(id, "echo well"));
        await _mitos.RemoveAllAsync();
    }

    [Fact]
    public async Task An_address_that_is_taken_is_named_with_the_setting_that_changes_it()
    {
        var other = new Installation();
        using var taken = new TcpListener(IPEndPoint.Parse(other.Environment["MITOS_LISTEN"]!));
        taken.Start();
        (await other.RunAsync("up")).Refused(4, other.Environment["MITOS_LISTEN"]!, "MITOS_LISTEN");
        other.Delete();
    }

    /// <summary>A unit of systemd or an administrator made the directory, for all to look into.</summary>
    [Fact]
    public async Task Another_user_reads_nothing_of_the_state_in_a_directory_that_is_open_to_him()
    {
        var directory = Directory.CreateTempSubdirectory("mitos-open-");
        try
        {
            directory.UnixFileMode |= UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
            var open = new Installation(directory.FullName);
            (await open.RunAsync("up")).Ok();
            (await open.RunAsync("keys", "create", "written")).Ok();
            var nobody = open.StartProgram("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
                $"ls {directory.FullName} >/dev/null && find {directory.FullName} -mindepth 1 -readable -not -path '*/tls*' 2>/dev/null; true");
            await using (nobody)
                Assert.Equal("", (await nobody.EndAsync()).Ok());
            Assert.NotEmpty(directory.GetFiles("mitos.db"));
            Assert.NotEmpty(directory.GetDirectories("sandboxes"));
            (await open.RunAsync("template", "rm", "base")).Ok();
            (await open.RunAsync("down")).Ok();
            open.Delete();
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task The_first_start_makes_a_key_that_only_its_user_can_read_and_HTTP_needs_it()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_mitos.StateDirectory, "api-key")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_mitos.Socket));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_mitos.StateDirectory));
        var database = Directory.GetFiles(_mitos.StateDirectory, "mitos.db*");
        Assert.NotEmpty(database);
        Assert.All(database, path => Assert.DoesNotContain(_mitos.Key["e2b_".Length..], System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(path)), StringComparison.Ordinal));
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(_mitos.Url + "/v1/sandboxes")).StatusCode);
        http.DefaultRequestHeaders.Authorization = new("Bearer", _mitos.Key);
        Assert.Equal("[]", await http.GetStringAsync(_mitos.Url + "/v1/sandboxes"));
    }

    [Fact]
    public async Task The_command_line_works_through_HTTP_with_the_key_and_leaves_daemons_elsewhere_alone()
    {
        var remote = new Installation { Environment = { ["MITOS_URL"] = _mitos.Url, ["MITOS_API_KEY"] = _mitos.Key } };
        var id = await remote.CreateAsync("--name", "far");
        Assert.Equal("over HTTP", (await remote.RunAsync("over HTTP"u8.ToArray(), "exec", "far", "--", "cat")).Ok());
        (await remote.RunAsync("up", "--foreground")).Refused(4, "MITOS_URL");
        (await remote.RunAsync("down")).Refused(4, "MITOS_URL");
        remote.Environment["MITOS_API_KEY"] = "mitos_wrong";
        (await remote.RunAsync("ls")).Refused(4, "key");
        (await remote.RunAsync("exec", id, "--", "true")).Refused(125, "key");
        remote.Environment["MITOS_URL"] = "nonsense";
        (await remote.RunAsync("ls")).Refused(2, "nonsense");
        await _mitos.RemoveAllAsync();
    }

    [Fact]
    public async Task A_daemon_that_cannot_start_says_why_to_who_started_it()
    {
        var other = new Installation { Environment = { ["MITOS_ACCEL"] = "warp" } };
        (await other.RunAsync("up")).Refused(4, "ended at once", "warp", "auto, kvm or tcg");
        other.Environment["MITOS_ACCEL"] = null;
        other.Environment["MITOS_BIN"] = "/nonexistent";
        (await other.RunAsync("up")).Refused(3, "/nonexistent/mitosd/mitosd", "mitos build");
        (await other.RunAsync("doctor")).Refused(3, "/nonexistent/mitosd/mitosd");
        Assert.DoesNotContain(Process.GetProcessesByName("mitosd"), daemon => Inventory.Read(daemon.Id, "environ").Contains(other.StateDirectory, StringComparison.Ordinal));
        Directory.Delete(other.StateDirectory, recursive: true);
    }
}
