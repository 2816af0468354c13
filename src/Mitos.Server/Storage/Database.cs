using System.Data.Common;
using System.Net.Sockets;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Npgsql;

namespace Mitos.Server.Storage;

/// <summary>The way to the database, whichever it is. Everything that fails because it is away is one refusal: Unavailable.</summary>
internal sealed class Database
{
    private const int ConnectSeconds = 5, CommandSeconds = 15, SQLITE_FULL = 13;
    private readonly Func<MitosDatabase> _connect;
    private readonly string? _connection;
    private readonly string _name, _remedy;

    private Database(Func<MitosDatabase> connect, string name, string remedy, string? connection = null) =>
        (_connect, _name, _remedy, _connection) = (connect, name, remedy, connection);

    /// <summary>Opens it and brings it to the present form.</summary>
    /// <param name="stateDirectory">Where <c>mitos.db</c> is, when there is no <paramref name="connection"/>.</param>
    /// <param name="connection">Of PostgreSQL, as Npgsql takes it; null: SQLite.</param>
    /// <exception cref="SandboxException">Unavailable: it cannot be reached; FailedPrecondition: a newer Mitos wrote it; InvalidArgument: no connection string.</exception>
    public static Database Open(string stateDirectory, string? connection = null)
    {
        var database = connection is null ? Sqlite(Path.Combine(stateDirectory, "mitos.db")) : Postgres(connection);
        if (connection is null)
            MakePrivate(Path.Combine(stateDirectory, "mitos.db"));
        database.Guard(database.Migrate);
        return database;
    }

    /// <summary>Reads, or writes with <c>SaveChangesAsync</c>: one transaction. Called a second time when the connection broke.</summary>
    /// <exception cref="SandboxException">Unavailable.</exception>
    public async Task<T> UseAsync<T>(Func<MitosDatabase, Task<T>> use)
    {
        try
        {
            await using var context = _connect();
            return await use(context);
        }
        catch (Exception e) when (IsBroken(e))
        {
            Away(e); // the connection was of a server that ended since, and may be back
        }
        catch (Exception e) when (IsAway(e))
        {
            throw Away(e);
        }
        try
        {
            await using var context = _connect();
            return await use(context);
        }
        catch (Exception e) when (IsAway(e))
        {
            throw Away(e);
        }
    }

    /// <inheritdoc cref="UseAsync"/>
    public T Use<T>(Func<MitosDatabase, T> use)
    {
        var result = default(T)!;
        Guard(context => result = use(context));
        return result;
    }

    private void Guard(Action<MitosDatabase> use)
    {
        try
        {
            using var context = _connect();
            use(context);
        }
        catch (Exception e) when (IsAway(e))
        {
            throw Away(e);
        }
    }

    private void Migrate(MitosDatabase context)
    {
        var unknown = context.Database.GetAppliedMigrations().Except(context.Database.GetMigrations()).LastOrDefault();
        if (unknown is not null)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"{_name} was written by a newer Mitos: this one does not know '{unknown}'.",
                "Start the newer version; or restore a copy of the database from before it, or use another database.");
        }
        if (context.Database.GetPendingMigrations().Any()) // it writes, also when there are none
            context.Database.Migrate();
        if (_connection is null)
            context.Database.ExecuteSqlRaw("PRAGMA journal_mode=WAL");
    }

    // The providers wrap what happened differently.
    private static bool IsAway(Exception? e) => e is DbException or SocketException or TimeoutException || (e?.InnerException is { } inner && IsAway(inner));

    private static bool IsBroken(Exception? e) => e is NpgsqlException { InnerException: IOException and not { InnerException: TimeoutException } } or PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown }
        || (e?.InnerException is { } inner && IsBroken(inner));

    private SandboxException Away(Exception e)
    {
        if (_connection is not null)
            NpgsqlConnection.ClearPool(new NpgsqlConnection(_connection)); // its connections are of a server that is gone
        while (e is not (DbException or SocketException or TimeoutException))
            e = e.InnerException!;
        return e is SqliteException { SqliteErrorCode: SQLITE_FULL }
            ? new SandboxException(ErrorCode.Exhausted, $"{_name} needs some KiB of disk, and none are free.", "Remove sandboxes or templates, or give the state directory a larger disk.", e)
            : new SandboxException(ErrorCode.Unavailable, $"{_name} cannot be used: {e.Message}", _remedy, e);
    }

    // Whatever may be in the directory may be read by who finds it; SQLite gives its other files the mode of the first.
    private static void MakePrivate(string path)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, UnixCreateMode = Private }).Dispose();
            foreach (var file in new[] { path, path + "-wal", path + "-shm", path + "-journal" }.Where(File.Exists))
                File.SetUnixFileMode(file, Private);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it cannot be opened: SQLite says so in a moment, and why
        }
    }

    private static Database Sqlite(string path) => new(() => new SqliteDatabase(SqliteDatabase.At(path)), $"The database {path}",
        "Look whether another program holds it, and whether its disk is full or read-only; a file that is damaged must be replaced by a copy. Running sandboxes go on meanwhile.");

    private static Database Postgres(string connection)
    {
        try
        {
            var given = new NpgsqlConnectionStringBuilder(connection);
            if (string.IsNullOrEmpty(given.Host))
                throw new ArgumentException("it names no host");
            if (!given.ContainsKey("Timeout"))
                given.Timeout = ConnectSeconds;
            if (!given.ContainsKey("Command Timeout"))
                given.CommandTimeout = CommandSeconds;
            given.ApplicationName ??= "mitosd";
            connection = given.ConnectionString;
            var options = PostgresDatabase.At(connection);
            return new Database(() => new PostgresDatabase(options), $"The database '{given.Database ?? given.Username}' of PostgreSQL at {given.Host}:{given.Port}",
                "Start PostgreSQL, and see that --database (MITOS_DATABASE) names it; running sandboxes go on meanwhile.", connection);
        }
        catch (ArgumentException e)
        {
            // its own words may quote the password
            throw SandboxException.Invalid("--database is no connection string of PostgreSQL.", "Write it like `Host=/run/postgresql;Database=mitos;Username=mitos`, or use no database: then it is SQLite in the state directory."
                + (e.ParamName is { Length: > 0 } name ? $" (See '{name}'.)" : ""));
        }
    }
}
