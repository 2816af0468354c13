using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Mitos.Contracts;
using Mitos.TestKit;

namespace Mitos.EndToEnd.Hosting;

/// <summary>
/// A daemon with directories of its own and the template <c>base</c>, started and used by the command line. The root file system
/// comes from the cache that all share. Its end fails when anything was left behind.
/// </summary>
public class Daemon : IAsyncLifetime
{
    private readonly string _id = RandomNumberGenerator.GetHexString(6, lowercase: true);
    private readonly Dictionary<string, string> _environment;

    public Daemon()
    {
        StateDirectory = $"/var/tmp/mitos-e2e-{_id}";
        RunDirectory = $"/tmp/me-{_id}"; // short: socket paths end at 107 bytes
        _environment = new Dictionary<string, string>
        {
            ["MITOS_BIN"] = Programs.Directory,
            ["MITOS_STATE"] = StateDirectory,
            ["MITOS_RUN"] = RunDirectory,
            ["MITOS_WARM"] = "1",
            ["MITOS_LISTEN"] = $"127.0.0.1:{FreePort()}",
            ["NO_COLOR"] = "",
            ["MITOS_GUEST_DIR"] = "",
        };
        Belongings = new Belongings(StateDirectory, RunDirectory);
        Runner = new Runner(_environment);
        Leftovers = new Leftovers(this);
    }

    public string StateDirectory { get; }

    public string RunDirectory { get; }

    public string Socket => Path.Combine(RunDirectory, "mitosd.sock");

    /// <summary>HTTP, which needs a key.</summary>
    public Uri Address => new($"http://{_environment["MITOS_LISTEN"]}/");

    /// <summary>Of the daemon that runs.</summary>
    public int Pid { get; private set; }

    internal Runner Runner { get; }

    internal Leftovers Leftovers { get; }

    /// <summary>For whatever a derived one has beside it.</summary>
    protected Belongings Belongings { get; }

    protected IDictionary<string, string> Variables => _environment;

    public virtual async ValueTask InitializeAsync() => await UpAsync();

    /// <summary>Runs <c>mitos</c>.</summary>
    internal Task<Run> MitosAsync(params string[] arguments) => Runner.RunAsync(Programs.Cli, arguments);

    internal Task<Run> MitosWithInputAsync(byte[] input, params string[] arguments) => Runner.RunAsync(Programs.Cli, arguments, input);

    /// <summary>Creates a sandbox and returns its id.</summary>
    internal async Task<string> CreateAsync() => (await MitosAsync("create")).Ok().Line;

    /// <summary>Runs a shell command as root in a sandbox and returns what it printed; fails when it does.</summary>
    internal async Task<string> ShellAsync(string id, string command) => (await MitosAsync("exec", "-u", "root", id, "--", "bash", "-c", command)).Ok().Line;

    /// <summary>Forks and returns the children's ids.</summary>
    internal async Task<List<string>> ForkAsync(string id, int count) =>
        (await MitosAsync("fork", id, "--count", $"{count}", "--json")).Json(ContractsJson.Default.ForkBody).Children.Select(child => child.Sandbox!.Id).ToList();

    internal async Task<List<SandboxBody>> ListAsync() => (await MitosAsync("ls", "--json")).Json(ContractsJson.Default.ListSandboxBody);

    internal async Task<SandboxBody> InspectAsync(string id) => (await MitosAsync("inspect", id, "--json")).Json(ContractsJson.Default.SandboxBody);

    internal async Task<Run> UpAsync()
    {
        var up = (await MitosAsync("up")).Ok();
        await RefreshPidAsync();
        return up;
    }

    /// <summary>After somebody else restarted the daemon.</summary>
    internal async Task RefreshPidAsync() => Pid = (await MitosAsync("status", "--json")).Json(ContractsJson.Default.HealthBody).Pid;

    /// <summary>Starts the daemon by itself: <c>mitos up</c> would build <c>base</c>.</summary>
    /// <param name="variables">Of the daemon only, <c>NAME=VALUE</c>.</param>
    internal async Task StartAsync(params string[] variables)
    {
        Directory.CreateDirectory(StateDirectory);
        var log = Path.Combine(StateDirectory, "mitosd.log");
        (await Runner.RunAsync("/bin/sh", ["-c", "log=$0; setsid env \"$@\" >>\"$log\" 2>&1 </dev/null &", log, .. variables, Programs.Daemon])).Ok();
        var limit = DateTime.UtcNow + TimeSpan.FromMinutes(1);
        Run status;
        while ((status = await MitosAsync("status", "--json")).Code != 0)
        {
            Assert.True(DateTime.UtcNow < limit, $"mitosd does not start: {File.ReadAllText(log)}");
            await Task.Delay(50);
        }
        Pid = status.Json(ContractsJson.Default.HealthBody).Pid;
    }

    /// <summary>Ends the daemon as a crash does.</summary>
    internal async Task KillAsync()
    {
        using (var daemon = System.Diagnostics.Process.GetProcessById(Pid))
            daemon.Kill();
        await Procfs.WaitEndAsync(Pid);
    }

    internal async Task DownAsync()
    {
        (await MitosAsync("down")).Ok();
        await Procfs.WaitEndAsync(Pid);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await EndAsync();
        await DeleteStateAsync();
        Directory.Delete(RunDirectory, recursive: true);
        Belongings.Dispose();
    }

    protected virtual ValueTask DeleteStateAsync()
    {
        Directory.Delete(StateDirectory, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Removes everything, ends the daemon, and fails when something of it is left; the directories stay then for a look.</summary>
    private async Task EndAsync()
    {
        (await MitosAsync("rm", "--all")).Ok();
        // base last: others are built on it
        foreach (var template in (await MitosAsync("template", "ls", "--json")).Json(ContractsJson.Default.ListTemplateBody).OrderBy(template => template.Name == "base"))
            (await MitosAsync("template", "rm", template.Name)).Ok();
        await DownAsync();
        var left = Leftovers.OfNothing();
        if (left.Count == 0)
            Leftovers.RemoveParents();
        Assert.True(left.Count == 0, $"left behind: {string.Join(", ", left)}");
    }

    protected static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
