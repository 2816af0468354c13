using System.Diagnostics;

namespace Mitos.TestKit;

/// <summary>A real server of PostgreSQL's from the distribution, in a directory of its own, on a unix socket only. Started when a test needs it first.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Port = "5432"; // names the socket
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3); // against hanging
    private readonly string _directory = Path.Combine("/var/tmp", "mitos-pg-" + Path.GetRandomFileName()[..8]);
    private readonly SemaphoreSlim _once = new(1);
    private Process? _server;
    private Belongings? _belongings;
    private int _databases;

    private static string Programs => Directory.EnumerateDirectories("/usr/lib/postgresql").Order().Select(version => Path.Combine(version, "bin")).LastOrDefault()
        ?? throw new InvalidOperationException("PostgreSQL is missing: apt-get install postgresql; `./mitos test` does it.");

    private static string[] AsPostgres => ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];

    /// <summary>A connection string of a database that is new and empty.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        await StartAsync();
        var name = $"mitos{Interlocked.Increment(ref _databases)}";
        await RunAsync(Path.Combine(Programs, "createdb"), "-h", _directory, "-p", Port, "-U", "mitos", name);
        return $"Host={_directory};Port={Port};Database={name};Username=mitos";
    }

    public async Task StartAsync()
    {
        await _once.WaitAsync();
        try
        {
            if (_server is { HasExited: false })
                return;
            _belongings ??= new Belongings(_directory);
            if (!Directory.Exists(_directory))
            {
                Directory.CreateDirectory(_directory);
                await RunAsync("chown", "postgres:", _directory);
                await RunAsync("setpriv", [.. AsPostgres, Path.Combine(Programs, "initdb"), "--auth=trust", "--no-sync", "--username=mitos", "-D", _directory]);
            }
            _server = Start("setpriv", [.. AsPostgres, Path.Combine(Programs, "postgres"), "-D", _directory, "-k", _directory, "-p", Port, "-c", "listen_addresses=", "-c", "fsync=off"]);
            _belongings.Add(_server.Id);
            while (await EndAsync(Path.Combine(Programs, "pg_isready"), "-q", "-h", _directory, "-p", Port) != 0)
            {
                if (_server.HasExited)
                    throw new InvalidOperationException($"PostgreSQL ended with {_server.ExitCode} as it began.");
                await Task.Delay(50);
            }
        }
        finally
        {
            _once.Release();
        }
    }

    /// <summary>Ends the server at once, with whoever uses it.</summary>
    public async Task StopAsync()
    {
        if (_server is not { HasExited: false } server)
            return;
        await RunAsync("/bin/kill", "-INT", $"{server.Id}"); // "fast": clients are thrown out
        await server.WaitForExitAsync().WaitAsync(Limit);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _server?.Dispose();
        _once.Dispose();
        if (Directory.Exists(_directory))
            Directory.Delete(_directory, recursive: true);
        _belongings?.Dispose();
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        if (await EndAsync(program, arguments) is not 0 and var code)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {code}.");
    }

    private static async Task<int> EndAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        await process.WaitForExitAsync().WaitAsync(Limit);
        return process.ExitCode;
    }

    // Their words go nowhere: a pipe that nobody reads would stop them.
    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1 </dev/null", "sh", program, .. arguments]) { WorkingDirectory = "/" })!;
}
