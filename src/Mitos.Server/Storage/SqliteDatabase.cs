using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Mitos.Server.Storage;

/// <summary>In a file of the state directory.</summary>
internal sealed class SqliteDatabase(DbContextOptions<SqliteDatabase> options) : MitosDatabase(options)
{
    private const int WaitSeconds = 5; // for another program that holds it; a client waits meanwhile

    public static DbContextOptions<SqliteDatabase> At(string path) => new DbContextOptionsBuilder<SqliteDatabase>().UseSqlite($"Data Source={path};Default Timeout={WaitSeconds}").Options;
}

/// <summary>For <c>dotnet ef migrations add NAME --context SqliteDatabase --output-dir Storage/Migrations/Sqlite</c>, which needs no database.</summary>
internal sealed class SqliteDesign : IDesignTimeDbContextFactory<SqliteDatabase>
{
    public SqliteDatabase CreateDbContext(string[] args) => new(SqliteDatabase.At("design.db"));
}
