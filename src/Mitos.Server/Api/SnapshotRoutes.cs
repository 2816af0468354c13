using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>/v1/snapshots, /v1/sandboxes/{id}/snapshots</summary>
internal static class SnapshotRoutes
{
    private const string Runs = "A running sandbox is paused for milliseconds and goes on; one that is paused stays so. It is taken also when the client goes away.";

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/snapshots").WithTags("snapshots");
        group.MapGet("/", List).WithName("listSnapshots").WithSummary("Lists the snapshots, oldest first");
        group.MapPost("/", ([FromBody] CreateSnapshotRequest request, ISandboxes sandboxes, ISnapshots snapshots) => CreateAsync(request.Sandbox is { Length: > 0 } id ? id
                : throw SandboxException.Invalid("sandbox is missing: a snapshot is one of a sandbox.", "Give its id or name."), request.Name, sandboxes, snapshots))
            .WithName("createSnapshot").WithSummary("Keeps the present state of a sandbox").WithDescription(Runs).Produces<SnapshotBody>(201);
        group.MapGet("/{snapshot}", (string snapshot, ISnapshots snapshots) => snapshots.Get(snapshot).ToBody()).WithName("getSnapshot").WithSummary("Gets a snapshot");
        group.MapDelete("/{snapshot}", Remove).WithName("removeSnapshot").WithSummary("Removes a snapshot").WithDescription("Sandboxes that were made of it are not touched.").Produces(204);
        group.MapPost("/{snapshot}/fork", ForkAsync).WithName("forkSnapshot").WithSummary("Makes sandboxes of a snapshot")
            .WithDescription("As if its sandbox had been forked when it was taken. Each child is a sandbox or an error. The fork runs to its end also when the client goes away.");
        v1.MapPost("/sandboxes/{id}/snapshots", (string id, [FromBody] SnapshotRequest? request, ISandboxes sandboxes, ISnapshots snapshots) => CreateAsync(id, request?.Name, sandboxes, snapshots))
            .WithTags("snapshots").WithName("createSandboxSnapshot").WithSummary("Keeps the present state of this sandbox").WithDescription(Runs).Produces<SnapshotBody>(201);
    }

    /// <summary>By id, by name, or by an unambiguous beginning of an id.</summary>
    /// <exception cref="SandboxException">NotFound, its remedy naming the nearest; Conflict.</exception>
    public static SnapshotInfo Get(this ISnapshots snapshots, string idOrName)
    {
        if (snapshots.TryFind(idOrName) is { } found)
            return found;
        var all = snapshots.List();
        var matches = all.Where(snapshot => idOrName.Length > 0 && snapshot.Id.StartsWith(idOrName, StringComparison.Ordinal)).ToList();
        if (matches.Count == 1)
            return matches[0];
        var shown = idOrName.Length <= 80 ? idOrName : idOrName[..80] + "…";
        if (matches.Count > 1)
            throw new SandboxException(ErrorCode.Conflict, $"'{shown}' is the beginning of {matches.Count} ids of snapshots.", "Give more of it: " + string.Join(", ", matches.Select(match => match.Id).Order(StringComparer.Ordinal).Take(5)));
        var known = all.SelectMany(snapshot => snapshot.Name is { } name ? new[] { snapshot.Id, name } : [snapshot.Id]);
        throw SandboxException.NotFound("snapshot", shown, Nearest.Suggest(shown, known) ?? "`mitos snapshot ls` lists the snapshots.");
    }

    private static List<SnapshotBody> List(ISandboxes sandboxes, ISnapshots snapshots, [Description("Only those of this sandbox: its id, which may be of one that is gone, or its name.")] string? sandbox = null)
    {
        var source = sandbox is null ? (SandboxId?)null : SandboxId.TryParse(sandbox, out var id) ? id : sandboxes.Find(sandbox).Id;
        return snapshots.List().Where(snapshot => source is null || snapshot.Source == source).Select(Mapping.ToBody).ToList();
    }

    private static async Task<IResult> CreateAsync(string id, string? name, ISandboxes sandboxes, ISnapshots snapshots)
    {
        var taken = await snapshots.CreateAsync(sandboxes.Find(id).Id, name, CancellationToken.None);
        return Results.Created($"/v1/snapshots/{taken.Id}", taken.ToBody());
    }

    private static async Task<ForkBody> ForkAsync(string snapshot, [FromBody] ForkRequest? body, ISnapshots snapshots, LeasedSandboxes leased, SandboxBodies bodies)
    {
        var request = body ?? new();
        return bodies.Describe(await leased.ForkAsync(snapshots.Get(snapshot), request.ToSpec(), LeaseTerms.Parse(request.TimeoutSeconds, request.OnTimeout)));
    }

    private static IResult Remove(string snapshot, ISnapshots snapshots)
    {
        var found = snapshots.Get(snapshot);
        try
        {
            snapshots.Remove(found.Id);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw SandboxException.NotFound("snapshot", snapshot, e.Remedy); // somebody else was first; by the name that was asked for
        }
        return Results.NoContent();
    }
}
