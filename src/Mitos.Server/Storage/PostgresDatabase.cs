using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Mitos.Server.Storage;

/// <summary>On a server of PostgreSQL's.</summary>
internal sealed class PostgresDatabase(DbContextOptions<PostgresDatabase> options) : MitosDatabase(options)
{
    public static DbContextOptions<PostgresDatabase> At(string connection) => new DbContextOptionsBuilder<PostgresDatabase>().UseNpgsql(connection).Options;
}

/// <summary>For <c>dotnet ef migrations add NAME --context PostgresDatabase --output-dir Storage/Migrations/Postgres</c>, which needs no database.</summary>
internal sealed class PostgresDesign : IDesignTimeDbContextFactory<PostgresDatabase>
{
    public PostgresDatabase CreateDbContext(string[] args) => new(PostgresDatabase.At("Host=design"));
}
