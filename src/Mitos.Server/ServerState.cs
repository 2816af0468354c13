using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;
using Mitos.Server.Accounts;
using Mitos.Server.Lifecycles;
using Mitos.Server.Storage;

namespace Mitos.Server;

/// <summary>What the server keeps: in the database, and beside it in the state directory.</summary>
internal sealed class ServerState : IDisposable
{
    private ServerState(string directory, Database database)
    {
        (Directory, Database, Teams) = (directory, database, new TeamStore(database));
        Keys = new KeyStore(database, directory);
        Leases = new LeaseStore(database, Teams);
        Owners = new SnapshotOwners(database, Leases);
    }

    /// <summary>The state directory.</summary>
    public string Directory { get; }

    public Database Database { get; }

    public TeamStore Teams { get; }

    public KeyStore Keys { get; }

    public LeaseStore Leases { get; }

    public SnapshotOwners Owners { get; }

    /// <summary>Opens the database, brings it to the present form, and reads it.</summary>
    /// <param name="directory">The state directory.</param>
    /// <param name="connection">Of PostgreSQL; null: SQLite, <c>mitos.db</c> in the state directory.</param>
    /// <exception cref="SandboxException">The database cannot be used, or a newer Mitos wrote it.</exception>
    public static ServerState Open(string directory, string? connection = null) => new(directory, Database.Open(directory, connection));

    public void Dispose() => Leases.Dispose();
}

internal static class ServerStateServices
{
    /// <summary>Sandboxes and snapshots as callers have them, and what looks after them.</summary>
    public static void AddState(this IServiceCollection services, ServerState state)
    {
        services.AddSingleton(state.Database).AddSingleton(state.Teams).AddSingleton(state.Keys).AddSingleton(state.Leases).AddSingleton(state.Owners);
        services.AddSingleton<LeaseKeeper>().AddSingleton<LeasedSandboxes>().AddSingleton<ISandboxes, OwnedSandboxes>().AddSingleton<ISnapshots, OwnedSnapshots>();
        services.AddSingleton<OwnedTemplates>().AddSingleton<ITemplates>(provider => provider.GetRequiredService<OwnedTemplates>());
        services.AddHostedService<Reaper>().AddHostedService<Housekeeping>();
    }
}
