using Mitos.TestKit;

namespace Mitos.Server.Tests.Storage;

/// <summary>A state directory without an engine, and a database: SQLite in it, or PostgreSQL.</summary>
internal sealed class Scratch : IDisposable
{
    private Scratch(string? connection) => Connection = connection;

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("mitos-state-").FullName;

    public string? Connection { get; }

    public static async Task<Scratch> MakeAsync(string provider, PostgresServer postgres) => new(provider == "sqlite" ? null : await postgres.CreateDatabaseAsync());

    public ServerState Open() => ServerState.Open(Directory, Connection);

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
}

/// <summary>Time that stands until it is moved.</summary>
internal sealed class SetTime(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => Now;

    public override long GetTimestamp() => Now.UtcTicks;
}
