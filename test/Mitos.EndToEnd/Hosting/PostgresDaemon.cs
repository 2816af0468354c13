using Mitos.TestKit;

namespace Mitos.EndToEnd.Hosting;

/// <summary>A daemon whose database is a PostgreSQL of its own.</summary>
public sealed class PostgresDaemon : Daemon
{
    private readonly PostgresServer _postgres = new();

    public override async ValueTask InitializeAsync()
    {
        Variables["MITOS_DATABASE"] = await _postgres.CreateDatabaseAsync();
        await base.InitializeAsync();
        Assert.False(File.Exists(Path.Combine(StateDirectory, "mitos.db")));
    }

    public override async ValueTask DisposeAsync()
    {
        try
        {
            await base.DisposeAsync();
        }
        finally
        {
            await _postgres.DisposeAsync();
        }
    }
}
