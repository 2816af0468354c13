using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/pause, resume, timeout.</summary>
internal static class PauseRoutes
{
    public static void Map(RouteGroupBuilder v1)
    {
        var one = v1.MapGroup("/sandboxes/{id}").WithTags("sandboxes");
        one.MapPost("/pause", PauseAsync).WithName("pauseSandbox").WithSummary("Pauses a sandbox to disk")
            .WithDescription("Its machine ends and costs no memory any more; it survives restarts of the daemon and of the host. One that is paused stays so. The pause runs to its end also when the client goes away.");
        one.MapPost("/resume", ResumeAsync).WithName("resumeSandbox").WithSummary("Lets a paused sandbox go on where it was")
            .WithDescription("One that was paused without its memory boots, and so does one that is to have none. One that runs is left alone, but for its end.");
        one.MapPost("/timeout", SetTimeoutAsync).WithName("setTimeout").WithSummary("Sets when a sandbox's time is over, later or sooner");
        one.MapDelete("/timeout", ClearTimeoutAsync).WithName("clearTimeout").WithSummary("Lets a sandbox live until it is removed");
    }

    private static async Task<SandboxBody> PauseAsync(string id, [FromBody] PauseRequest? body, ISandboxes sandboxes, ISnapshots snapshots, SandboxBodies bodies)
    {
        var sandbox = sandboxes.Find(id);
        try
        {
            return bodies.Describe(await snapshots.PauseAsync(sandbox.Id, body?.Memory ?? true, CancellationToken.None));
        }
        catch (SandboxException e) when (e.Code == ErrorCode.FailedPrecondition && sandboxes.TryGet(sandbox.Id) is { State: SandboxState.Paused } paused)
        {
            return bodies.Describe(paused);
        }
    }

    private static async Task<SandboxBody> ResumeAsync(string id, [FromBody] ResumeRequest? body, ISandboxes sandboxes, LeasedSandboxes leased, SandboxBodies bodies, CancellationToken cancellationToken) =>
        bodies.Describe(await leased.ResumeAsync(sandboxes.Find(id), LeaseTerms.Parse(body?.TimeoutSeconds, body?.OnTimeout), body?.Memory ?? true, cancellationToken));

    private static async Task<SandboxBody> SetTimeoutAsync(string id, [FromBody] TimeoutRequest request, ISandboxes sandboxes, LeasedSandboxes leased, SandboxBodies bodies)
    {
        var sandbox = sandboxes.Find(id);
        var terms = LeaseTerms.Parse(request.TimeoutSeconds, request.OnTimeout);
        if (terms.Life is null)
            throw SandboxException.Invalid("timeoutSeconds is missing.", "Give it; DELETE of the same address lets a sandbox live until it is removed.");
        await leased.SetAsync(sandbox, terms);
        return bodies.Describe(sandbox);
    }

    private static async Task<SandboxBody> ClearTimeoutAsync(string id, ISandboxes sandboxes, LeasedSandboxes leased, SandboxBodies bodies)
    {
        var sandbox = sandboxes.Find(id);
        await leased.ClearAsync(sandbox);
        return bodies.Describe(sandbox);
    }
}
