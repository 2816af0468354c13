using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Mitos.Client;
using Mitos.TestKit;

namespace Mitos.Cli.Tests.Hosting;

/// <summary>The built programs with a state and a run directory of their own, as a user has them.</summary>
public sealed class Installation
{
    private readonly EngineScratch _scratch = new();

    /// <param name="stateDirectory">Default: one that is removed at the end.</param>
    public Installation(string? stateDirectory = null)
    {
        StateDirectory = stateDirectory ?? _scratch.Options.StateDirectory;
        Environment = new()
        {
            ["MITOS_STATE"] = StateDirectory,
            ["MITOS_RUN"] = RunDirectory,
            ["MITOS_LISTEN"] = FindAddress(),
            ["MITOS_WARM"] = "0",
            ["MITOS_BIN"] = Programs,
            ["MITOS_CACHE"] = null,
            ["MITOS_URL"] = null,
            ["MITOS_API_KEY"] = null,
            ["MITOS_ACCEL"] = null,
            ["MITOS_GUEST_DIR"] = null,
            ["NO_COLOR"] = null,
            ["TERM"] = "xterm",
        };
    }

    /// <summary>Directory of the programs under test.</summary>
    public static string Programs { get; } = System.Environment.GetEnvironmentVariable("MITOS_BIN") is { Length: > 0 } directory ? Path.GetFullPath(directory)
        : throw new InvalidOperationException("MITOS_BIN must name the directory with mitos and mitosd/mitosd; `./mitos test` sets it.");

    public static string Cli => Path.Combine(Programs, "mitos");

    public static string Daemon => Path.Combine(Programs, "mitosd", "mitosd");

    public string StateDirectory { get; }

    public string RunDirectory => _scratch.Options.RunDirectory;

    public string Socket => Path.Combine(RunDirectory, "mitosd.sock");

    /// <summary>Of every program that is run here.</summary>
    public Dictionary<string, string?> Environment { get; }

    /// <summary>Where the daemon serves HTTP.</summary>
    public string Url => "http://" + Environment["MITOS_LISTEN"];

    public string Key => File.ReadAllText(Path.Combine(StateDirectory, "api-key")).Trim();

    /// <summary>An address of loopback that is free.</summary>
    public static string FindAddress()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket.LocalEndPoint!.ToString()!;
    }

    /// <summary>Starts <c>mitos</c>.</summary>
    public Running Start(params IEnumerable<string> arguments) => new(Cli, arguments, Environment);

    /// <summary>Starts another program, which finds <c>mitos</c> on its path.</summary>
    public Running StartProgram(string program, params IEnumerable<string> arguments) =>
        new(program, arguments, new Dictionary<string, string?>(Environment) { ["PATH"] = $"{Programs}:{System.Environment.GetEnvironmentVariable("PATH")}" });

    /// <summary>Runs <c>mitos</c> to its end.</summary>
    public Task<Result> RunAsync(params IEnumerable<string> arguments) => RunAsync(null, arguments);

    /// <param name="input">What it reads; null: nothing.</param>
    /// <param name="arguments">Its arguments.</param>
    public async Task<Result> RunAsync(byte[]? input, params IEnumerable<string> arguments)
    {
        await using var running = Start(arguments);
        return await running.EndAsync(input);
    }

    /// <summary>Runs a line of bash to its end.</summary>
    public async Task<Result> ShellAsync(string line)
    {
        await using var running = StartProgram("bash", "-c", line);
        return await running.EndAsync();
    }

    /// <summary>The output of a shell line that succeeds in a sandbox.</summary>
    public async Task<string> InAsync(string id, string command, string user = "root") => (await RunAsync("exec", "-u", user, id, "--", "bash", "-c", command)).Ok();

    public async Task UpAsync() => (await RunAsync("up")).Ok();

    public async Task DownAsync() => (await RunAsync("down")).Ok();

    /// <summary>A new sandbox's id.</summary>
    public async Task<string> CreateAsync(params string[] arguments) => (await RunAsync(["create", .. arguments])).Ok();

    public async Task RemoveAllAsync() => (await RunAsync("rm", "--all")).Ok();

    /// <summary>Ids of the sandboxes that run.</summary>
    public async Task<List<string>> RunningIdsAsync() =>
        (await RunAsync("ls", "--json")).Json().EnumerateArray().Where(sandbox => sandbox.Text("state") == "running").Select(sandbox => sandbox.Text("id")).ToList();

    /// <summary>Process of the daemon that answers.</summary>
    public async Task<int> DaemonPidAsync() => (await RunAsync("status", "--json")).Json().GetProperty("pid").GetInt32();

    /// <summary>kill -9 of the daemon, in the middle of whatever it does.</summary>
    public async Task KillDaemonAsync(int? pid = null)
    {
        using var daemon = System.Diagnostics.Process.GetProcessById(pid ?? await DaemonPidAsync());
        daemon.Kill();
        await daemon.WaitForExitAsync();
    }

    /// <summary>The SDK, for what no command line can say.</summary>
    public MitosClient Connect() => MitosClient.Local(Socket);

    /// <summary>What is there of machines and builds now.</summary>
    public Inventory Look() => Inventory.Take(this);

    /// <summary>Removes the directories; nothing must be left in them.</summary>
    public void Delete()
    {
        Look().RequireNothing();
        if (StateDirectory == _scratch.Options.StateDirectory)
            _scratch.Delete();
        else
            Directory.Delete(RunDirectory, recursive: true);
    }
}

/// <summary>Shorter reading of JSON.</summary>
internal static class JsonElements
{
    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
