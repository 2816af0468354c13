using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Server.Storage;

namespace Mitos.Server.Accounts;

/// <summary>All teams. Reads are of memory; a new one is in the database before it is seen.</summary>
internal sealed class TeamStore
{
    private readonly Database _database;
    private readonly SemaphoreSlim _writing = new(1);
    private volatile Dictionary<string, Team> _teams;

    /// <summary>Reads the teams, and makes the default one where it is missing.</summary>
    public TeamStore(Database database)
    {
        _database = database;
        _teams = database.Use(context =>
        {
            if (!context.Teams.Any(team => team.Id == Team.DefaultId))
            {
                context.Teams.Add(new Team { Id = Team.DefaultId, Name = "default", CreatedAtMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() });
                context.SaveChanges();
            }
            return context.Teams.AsNoTracking().ToDictionary(team => team.Id);
        });
    }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<Team> All => _teams.Values.OrderBy(team => team.CreatedAtMs).ThenBy(team => team.Id, StringComparer.Ordinal).ToList();

    public Team Get(string id) => _teams.GetValueOrDefault(id) ?? _teams[Team.DefaultId];

    /// <summary>By id or name.</summary>
    /// <exception cref="SandboxException">NotFound.</exception>
    public Team Find(string idOrName) => _teams.GetValueOrDefault(idOrName) ?? _teams.Values.FirstOrDefault(team => team.Name == idOrName)
        ?? throw SandboxException.NotFound("team", idOrName, "GET /v1/teams lists the teams.");

    /// <exception cref="SandboxException">Conflict: the name is taken.</exception>
    public async Task<Team> CreateAsync(Team team)
    {
        await _writing.WaitAsync();
        try
        {
            if (_teams.Values.Any(known => known.Name == team.Name))
                throw new SandboxException(ErrorCode.Conflict, $"There is a team named '{team.Name}' already.", "Choose another name.");
            await _database.UseAsync(async context =>
            {
                context.Teams.Add(team);
                return await context.SaveChangesAsync();
            });
            _teams = new(_teams) { [team.Id] = team };
            return team;
        }
        finally
        {
            _writing.Release();
        }
    }
}
