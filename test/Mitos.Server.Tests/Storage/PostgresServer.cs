using System.Diagnostics;
using Mitos.Server.Tests.Storage;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace Mitos.Server.Tests.Storage;

/// <summary>A real server of PostgreSQL's from the distribution, in a directory of its own, on a unix socket only. Started when a test needs it first.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private const int Port = 5432; // names the socket
    private readonly string _directory = Path.Combine("/var/tmp", "mitos-pg-" + Path.GetRandomFileName()[..8]);
    private readonly SemaphoreSlim _once = new(1);
    private Process? _server;
    private int _databases;

    private static string Programs => Directory.EnumerateDirectories("/usr/lib/postgresql").Order().Select(version => Path.Combine(version, "bin")).LastOrDefault()
        ?? throw new InvalidOperationException("PostgreSQL is missing: apt-get install postgresql; `./mitos test` does it.");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>A connection string of a database that is new and empty.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        await StartAsync();
        var name = $"mitos{Interlocked.Increment(ref _databases)}";
        await using var connection = new NpgsqlConnection(At("postgres") + ";Pooling=false");
        await connection.OpenAsync(ServerFixture.Soon);
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // a name of our own
        command.CommandText = $"CREATE DATABASE {name}";
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(ServerFixture.Soon);
        return At(name);
    }

    public async Task StartAsync()
    {
        await _once.WaitAsync();
        try
        {
            if (_server is { HasExited: false })
                return;
            if (!Directory.Exists(_directory))
            {
                Directory.CreateDirectory(_directory);
                await RunAsync("chown", "postgres:", _directory);
                await RunAsync("setpriv", [.. AsPostgres, Path.Combine(Programs, "initdb"), "--auth=trust", "--no-sync", "--username=mitos", "-D", _directory]);
            }
            _server = Start("setpriv", [.. AsPostgres, Path.Combine(Programs, "postgres"), "-D", _directory, "-k", _directory, "-p", $"{Port}", "-c", "listen_addresses=", "-c", "fsync=off"]);
            await WaitAsync();
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
        Vmm.Signal(server.Id, Vmm.Interrupt); // "fast": clients are thrown out
        await server.WaitForExitAsync(ServerFixture.Soon);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _server?.Dispose();
        if (Directory.Exists(_directory))
            Directory.Delete(_directory, recursive: true);
    }

    private static string[] AsPostgres => ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];

    private string At(string database) => $"Host={_directory};Port={Port};Database={database};Username=mitos";

    private async Task WaitAsync()
    {
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(At("postgres") + ";Pooling=false");
                await connection.OpenAsync(ServerFixture.Soon);
                return;
            }
            catch (NpgsqlException) when (!_server!.HasExited)
            {
                await Task.Delay(50, ServerFixture.Soon);
            }
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        await process.WaitForExitAsync(ServerFixture.Soon);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }

    // Their words go nowhere: a pipe that nobody reads would stop them.
    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1 </dev/null", "sh", program, .. arguments]) { WorkingDirectory = "/" })!;
}
