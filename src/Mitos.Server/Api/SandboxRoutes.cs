using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

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
        group.MapGet("/", (ISandboxes sandboxes, [Description(MemoryHelp)] bool memory = false) => sandboxes.List().Select(info => Describe(sandboxes, info, memory)).ToList())
            .WithName("listSandboxes").WithSummary("Lists the sandboxes, oldest first");
        group.MapGet("/{id}", (string id, ISandboxes sandboxes) => Describe(sandboxes, sandboxes.Find(id), true)).WithName("getSandbox").WithSummary("Gets a sandbox, with what its machine costs");
        group.MapDelete("/{id}", RemoveAsync).WithName("removeSandbox").WithSummary("Removes a sandbox").WithDescription("Its children are not touched.").Produces(204);
        group.MapPost("/{id}/fork", ForkAsync).WithName("forkSandbox").WithSummary("Forks a running sandbox")
            .WithDescription("It is paused for milliseconds and goes on; all children begin at that instant. Each child is a sandbox or an error. The fork runs to its end also when the client goes away.");
        group.MapGet("/{id}/metrics", MetricsAsync).WithName("getMetrics").WithSummary("Says what a sandbox uses");
        group.MapGet("/{id}/console", ReadConsole).WithName("getConsole").WithSummary("Reads the end of the guest's console").Produces<Stream>(200, "application/octet-stream");
    }

    /// <summary>With its memory, where it is asked for and the sandbox runs.</summary>
    public static SandboxBody Describe(ISandboxes sandboxes, SandboxInfo info, bool memory)
    {
        if (!memory || info.State != SandboxState.Running)
            return info.ToBody();
        try
        {
            return info.ToBody(sandboxes.ReadMemory(info.Id));
        }
        catch (SandboxException)
        {
            return info.ToBody(); // it ended in between
        }
    }

    private static async Task<IResult> CreateAsync([FromBody] CreateSandboxRequest? body, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var request = body ?? new();
        var info = await sandboxes.CreateAsync(new CreateSandboxSpec
        {
            Template = request.Template ?? "base",
            Name = request.Name,
            CpuCount = request.CpuCount,
            MemoryMiB = request.MemoryMiB,
            Environment = request.Env ?? [],
            Metadata = request.Metadata ?? [],
        }, cancellationToken);
        if (cancellationToken.IsCancellationRequested)
        {
            // nobody will ever know its id
            await sandboxes.RemoveAsync(info.Id, CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
        }
        return Results.Created($"/v1/sandboxes/{info.Id}", info.ToBody(withToken: true));
    }

    // A client that goes away must not leave a fork half-made: it runs to its end.
    private static async Task<ForkBody> ForkAsync(string id, [FromBody] ForkRequest? body, ISandboxes sandboxes)
    {
        var request = body ?? new();
        var spec = new ForkSpec { Count = request.Count ?? 1, Environment = request.Env ?? [], Metadata = request.Metadata ?? [], Names = request.Names ?? [] };
        return (await sandboxes.ForkAsync(sandboxes.Find(id).Id, spec, CancellationToken.None)).ToBody();
    }

    private static async Task<IResult> RemoveAsync(string id, ISandboxes sandboxes)
    {
        await sandboxes.RemoveAsync(sandboxes.Find(id).Id, CancellationToken.None);
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
            guest = (await sandboxes.Agent(info.Id).GetMetricsAsync(limit.Token)).ToBody();
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
