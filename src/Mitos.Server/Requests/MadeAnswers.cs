using System.Text.Json;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Api;
using Mitos.Server.E2B;
using Mitos.Server.E2B.Control;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Requests;

/// <summary>Answers of requests that made sandboxes, made again from these sandboxes: for one that was cut off by the daemon's end.</summary>
internal sealed class MadeAnswers(ISandboxes sandboxes, LeaseStore leases, SandboxControl control, SandboxBodies bodies)
{
    private static readonly string[] Creates = ["/sandboxes", "/v2/sandboxes", "/v1/sandboxes"], Forks = ["/sandboxes/", "/v1/sandboxes/", "/v1/snapshots/"];

    /// <summary>Whether a request makes sandboxes.</summary>
    public static bool Covers(HttpRequest request) => HttpMethods.IsPost(request.Method) && (Creates.Contains(PathOf(request)) || IsFork(request));

    /// <summary>The answer to a request whose sandboxes are there; null: it made none.</summary>
    public IdempotentCall? Rebuild(HttpRequest request, IdempotentCall call)
    {
        var made = leases.All.Where(lease => lease.IdempotencyKey == call.Key && lease.TeamId == call.TeamId && lease.State != LeaseState.Pending)
            .Select(lease => (Lease: lease, Info: SandboxId.TryParse(lease.Id, out var id) ? sandboxes.TryGet(id) : null)).Where(pair => pair.Info is not null)
            .Select(pair => (pair.Lease, Info: pair.Info!)).OrderBy(pair => pair.Info.ForkIndex).ToList();
        return made.Count == 0 ? null : call with { Status = 201, Body = Describe(request, made) };
    }

    private string Describe(HttpRequest request, List<(Lease Lease, SandboxInfo Info)> made)
    {
        var ours = request.Path.StartsWithSegments("/v1", StringComparison.Ordinal);
        if (!IsFork(request))
        {
            return ours
                ? JsonSerializer.Serialize(bodies.Describe(made[0].Info, withToken: true), ApiJson.Context.SandboxBody)
                : JsonSerializer.Serialize(control.Describe(made[0].Info, made[0].Lease), E2BJson.Default.SandboxBody);
        }
        if (!ours)
        {
            // an entry for each child that was asked for
            var body = request.Body.Length > 0 ? JsonSerializer.Deserialize(request.Body, E2BJson.Default.ForkRequest) : null;
            var lost = new ForkResultBody(null, new E2BError(500, "the server ended before this child was made"));
            return JsonSerializer.Serialize(Enumerable.Range(0, Math.Max(body?.Count ?? 1, made.Count)).Select(index =>
                made.FirstOrDefault(child => child.Info.ForkIndex == index) is { Info: not null } child ? new ForkResultBody(control.Describe(child.Info, child.Lease), null) : lost).ToList(), E2BJson.Default.ListForkResultBody);
        }
        var first = made[0].Info;
        return JsonSerializer.Serialize(new Contracts.ForkBody
        {
            ForkId = first.ForkId!,
            Source = first.ForkedFrom!.Value.ToString(),
            Children = made.Select(child => new Contracts.ForkChildBody { Index = child.Info.ForkIndex ?? 0, Sandbox = bodies.Describe(child.Info, withToken: true), ReadyUs = 0 }).ToList(),
            Timings = new Contracts.ForkTimingsBody(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), // nobody measured them to the end
        }, ApiJson.Context.ForkBody);
    }

    private static string PathOf(HttpRequest request) => request.Path.Value?.TrimEnd('/') ?? "";

    private static bool IsFork(HttpRequest request) => PathOf(request) is var path && path.EndsWith("/fork", StringComparison.Ordinal)
        && Forks.Any(fork => path.StartsWith(fork, StringComparison.Ordinal));
}
