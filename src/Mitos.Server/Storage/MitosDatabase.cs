using Microsoft.EntityFrameworkCore;
using Mitos.Server.Accounts;
using Mitos.Server.Lifecycles;
using Mitos.Server.Requests;

namespace Mitos.Server.Storage;

/// <summary>What the server keeps beside the engine's journals. One model; each provider has migrations of its own.</summary>
internal abstract class MitosDatabase(DbContextOptions options) : DbContext(options)
{
    public DbSet<Team> Teams => Set<Team>();

    public DbSet<ApiKey> Keys => Set<ApiKey>();

    public DbSet<Lease> Leases => Set<Lease>();

    public DbSet<SnapshotOwner> Snapshots => Set<SnapshotOwner>();

    public DbSet<LifecycleEvent> Events => Set<LifecycleEvent>();

    public DbSet<IdempotentCall> Calls => Set<IdempotentCall>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Team>().ToTable("teams").HasKey(row => row.Id);
        var key = modelBuilder.Entity<ApiKey>().ToTable("api_keys");
        key.HasKey(row => row.Id);
        key.HasIndex(row => row.Sha256).IsUnique();
        modelBuilder.Entity<Lease>().ToTable("leases").HasKey(row => row.Id);
        modelBuilder.Entity<SnapshotOwner>().ToTable("snapshots").HasKey(row => row.Id);
        var happened = modelBuilder.Entity<LifecycleEvent>().ToTable("events");
        happened.HasKey(row => row.Sequence);
        happened.Property(row => row.Sequence).ValueGeneratedOnAdd();
        happened.Property(row => row.Id).IsRequired(); // what is called Id and is no key may be null else
        happened.HasIndex(row => new { row.TeamId, row.Sequence });
        happened.HasIndex(row => new { row.SandboxId, row.Sequence });
        happened.HasIndex(row => row.AtMs);
        var call = modelBuilder.Entity<IdempotentCall>().ToTable("idempotent_calls");
        call.HasKey(row => new { row.TeamId, row.Key });
        call.HasIndex(row => row.CreatedAtMs);
    }
}
