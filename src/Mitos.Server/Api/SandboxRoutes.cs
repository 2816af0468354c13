using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes</summary>
internal static class SandboxRoutes
{
    public const string MemoryHelp = "Whether to measure each sandbox's memory: about a millisecond each.";

    private const int MaxConsole = 1 << 20;
    private static readonly TimeSpan GuestLimit = TimeSpan.FromSeconds(3);

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes").WithTags("sandboxes");
        group.MapPost("/", CreateAsync).WithName("createSandbox").WithSummary("Creates a sandbox").Produces<SandboxBody>(201);
        group.MapGet("/", (ISandboxes sandboxes, SandboxBodies bodies, [Description(MemoryHelp)] bool memory = false) => sandboxes.List().Select(info => bodies.Describe(info, memory)).ToList())
            .WithName("listSandboxes").WithSummary("Lists the sandboxes, oldest first");
        group.MapGet("/{id}", (string id, ISandboxes sandboxes, SandboxBodies bodies) => bodies.Describe(sandboxes.Find(id), memory: true)).WithName("getSandbox").WithSummary("Gets a sandbox, with what its machine costs");
        group.MapDelete("/{id}", RemoveAsync).WithName("removeSandbox").WithSummary("Removes a sandbox").WithDescription("Its children are not touched.").Produces(204);
        group.MapPost("/{id}/fork", ForkAsync).WithName("forkSandbox").WithSummary("Forks a sandbox")
            .WithDescription("A running one is paused for milliseconds and goes on; all children begin at that instant. One that is paused stays so. Each child is a sandbox or an error. The fork runs to its end also when the client goes away.");
        group.MapGet("/{id}/metrics", MetricsAsync).WithName("getMetrics").WithSummary("Says what a sandbox uses");
        group.MapGet("/{id}/console", ReadConsole).WithName("getConsole").WithSummary("Reads the end of the guest's console").Produces<Stream>(200, "application/octet-stream");
    }

    private static async Task<IResult> CreateAsync([FromBody] CreateSandboxRequest? body, LeasedSandboxes sandboxes, SandboxBodies bodies, ISnapshots snapshots, CancellationToken cancellationToken)
    {
        var request = body ?? new();
        if (request is { Template: not null, Snapshot: not null })
            throw SandboxException.Invalid("A sandbox is made of a template or of a snapshot, not of both.", "Leave out template: the snapshot has one.");
        var info = await sandboxes.CreateAsync(new CreateSandboxSpec
        {
            Template = request.Template ?? "base",
            Snapshot = request.Snapshot is { } snapshot ? snapshots.Get(snapshot).Id : null,
            Name = request.Name,
            CpuCount = request.CpuCount,
            MemoryMiB = request.MemoryMiB,
            Environment = request.Env ?? [],
            Metadata = request.Metadata ?? [],
        }, LeaseTerms.Parse(request.TimeoutSeconds, request.OnTimeout), cancellationToken);
        if (cancellationToken.IsCancellationRequested)
        {
            // nobody will ever know its id
            await sandboxes.RemoveAsync(info.Id);
            cancellationToken.ThrowIfCancellationRequested();
        }
        return Results.Created($"/v1/sandboxes/{info.Id}", bodies.Describe(info, withToken: true));
    }

    // A client that goes away must not leave a fork half-made: it runs to its end.
    private static async Task<ForkBody> ForkAsync(string id, [FromBody] ForkRequest? body, ISandboxes sandboxes, LeasedSandboxes leased, SandboxBodies bodies)
    {
        var request = body ?? new();
        return bodies.Describe(await leased.ForkAsync(sandboxes.Find(id), request.ToSpec(), LeaseTerms.Parse(request.TimeoutSeconds, request.OnTimeout)));
    }

    private static async Task<IResult> RemoveAsync(string id, ISandboxes sandboxes, LeasedSandboxes leased)
    {
        await leased.RemoveAsync(sandboxes.Find(id).Id);
        return Results.NoContent();
    }

    private static async Task<MetricsBody> MetricsAsync(string id, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var info = sandboxes.Find(id);
        var memory = sandboxes.ReadMemory(info.Id);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(GuestLimit);
        GuestMetricsBody? guest = null;
        try
        {
            guest = (await (await sandboxes.AgentAsync(info.Id, limit.Token)).GetMetricsAsync(limit.Token)).ToBody();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // a guest that is too busy to answer is no reason to say nothing
        }
        return new MetricsBody { Memory = memory.ToBody(), VmmCpuUs = (long)sandboxes.ReadCpuTime(info.Id).TotalMicroseconds, Guest = guest };
    }

    private static IResult ReadConsole(string id, ISandboxes sandboxes, [Description("At most so many bytes, the newest; 0 to 1048576.")] int bytes = 65536)
    {
        if (bytes is < 0 or > MaxConsole)
            throw SandboxException.Invalid($"{bytes} bytes of a console cannot be read.", $"Use 0 to {MaxConsole}.");
        return Results.Bytes(sandboxes.ReadConsole(sandboxes.Find(id).Id, bytes), "application/octet-stream");
    }
}
