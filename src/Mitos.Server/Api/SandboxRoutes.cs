using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes</summary>
internal static class SandboxRoutes
{
    private static readonly TimeSpan GuestLimit = TimeSpan.FromSeconds(3);

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes").WithTags("sandboxes");
        group.MapPost("/", CreateAsync).WithSummary("Creates a sandbox").Produces<SandboxBody>(201);
        group.MapGet("/", (ISandboxes sandboxes, bool memory = false) => sandboxes.List().Select(info => Describe(sandboxes, info, memory)).ToList())
            .WithSummary("Lists the sandboxes, oldest first");
        group.MapGet("/{id}", (string id, ISandboxes sandboxes) => Describe(sandboxes, sandboxes.Find(id), true)).WithSummary("Gets a sandbox by id, name or beginning of its id");
        group.MapDelete("/{id}", RemoveAsync).WithSummary("Removes a sandbox").Produces(204);
        group.MapPost("/{id}/fork", ForkAsync).WithSummary("Forks a running sandbox").Produces<ForkBody>();
        group.MapGet("/{id}/metrics", MetricsAsync).WithSummary("What a sandbox uses");
        group.MapGet("/{id}/console", (string id, ISandboxes sandboxes, int bytes = 65536) =>
            Results.Bytes(sandboxes.ReadConsole(sandboxes.Find(id).Id, Math.Clamp(bytes, 0, 1 << 20)), "application/octet-stream")).WithSummary("The end of the guest's console");
    }

    private static async Task<IResult> CreateAsync(CreateSandboxRequest request, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var info = await sandboxes.CreateAsync(new CreateSandboxSpec
        {
            Template = request.Template ?? "base", Name = request.Name, CpuCount = request.CpuCount, MemoryMiB = request.MemoryMiB,
            Environment = request.Env ?? [], Metadata = request.Metadata ?? [],
        }, cancellationToken);
        return Results.Created($"/v1/sandboxes/{info.Id}", info.ToBody(withToken: true));
    }

    // A client that goes away must not leave a fork half-made: it runs to its end.
    private static async Task<ForkBody> ForkAsync(string id, ForkRequest request, ISandboxes sandboxes)
    {
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

    private static SandboxBody Describe(ISandboxes sandboxes, SandboxInfo info, bool memory)
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
}
