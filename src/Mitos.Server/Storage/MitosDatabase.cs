using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Storage;

/// <summary>What the server keeps beside the engine's journals. SQLite, in <c>mitos.db</c> of the state directory.</summary>
internal sealed class MitosDatabase(DbContextOptions<MitosDatabase> options) : DbContext(options)
{
    public DbSet<Lease> Leases => Set<Lease>();

    /// <summary>Options for a file.</summary>
    public static DbContextOptions<MitosDatabase> At(string path) => new DbContextOptionsBuilder<MitosDatabase>().UseSqlite($"Data Source={path}").Options;

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        var lease = modelBuilder.Entity<Lease>();
        lease.ToTable("leases").HasKey(row => row.Id);
    }
}

/// <summary>For <c>dotnet ef migrations add</c>, which needs no database.</summary>
internal sealed class DesignTimeFactory : IDesignTimeDbContextFactory<MitosDatabase>
{
    public MitosDatabase CreateDbContext(string[] args) => new(MitosDatabase.At("design.db"));
}
