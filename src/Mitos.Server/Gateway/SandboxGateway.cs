using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Accounts;
using Mitos.Server.E2B;
using Mitos.Server.E2B.Envd;
using Mitos.Server.E2B.Envd.Files;
using Mitos.Server.Lifecycles;
using Mitos.Server.Requests;

namespace Mitos.Server.Gateway;

/// <summary>Takes the requests that are for a sandbox out of the pipeline: those for its agent, and those for its ports.</summary>
internal sealed class SandboxGateway(ISandboxes sandboxes, LeasedSandboxes leased, LeaseStore leases, TimeProvider time, TeamStore teams, EnvdApi envd, PortForwarder ports, E2BOptions options, DataAudit audit)
{
    private const long ResumedForMs = 300_000;
    private const string TokenHeader = "e2b-traffic-access-token";

    /// <returns>False: the request is for no sandbox.</returns>
    public async Task<bool> TryServeAsync(HttpContext context)
    {
        SandboxAddress address;
        try
        {
            if (!SandboxAddress.TryParse(context.Request, options.Domain, out address))
                return await TryServeSignedAsync(context);
        }
        catch (BadHttpRequestException e)
        {
            await GatewayErrors.BadAsync(context, e.Message);
            return true;
        }
        // What a server in a guest allows to pages is for itself to say.
        if (address.Port is EnvdApi.Port or InterpreterGate.Port && Cors.TryAnswer(context))
            return true;
        var lease = leases.Find(address.Id);
        if (address.Port == EnvdApi.Port && context.Request.Path == EnvdApi.HealthPath)
            await ServeAsync(context, address, lease); // whether it runs is no secret
        else
            await audit.WatchAsync(context, () => Describe(context, address, lease), () => ServeAsync(context, address, lease));
        return true;
    }

    private async Task ServeAsync(HttpContext context, SandboxAddress address, Lease? lease)
    {
        if (address.Port != EnvdApi.Port && !MayPass(context.Request, lease)) // nor is a paused one resumed then
        {
            // The question of a page before its request cannot bear the token, and the guest must not see it without.
            if (!Cors.IsPreflight(context.Request) || !Cors.TryAnswer(context))
                await GatewayErrors.NoTokenAsync(context, address.Id, TokenHeader, missing: !context.Request.Headers.ContainsKey(TokenHeader));
            return;
        }
        // A machine that is about to end takes no more requests; one that ended all the same before it answered may be resumed for those that can be repeated.
        for (var repeat = true; !await TryServeAsync(context, address, lease, repeat); repeat = false)
        {
        }
    }

    /// <returns>False: its machine ended meanwhile, and the request is to be served by its next one.</returns>
    private async Task<bool> TryServeAsync(HttpContext context, SandboxAddress address, Lease? lease, bool repeat)
    {
        var info = SandboxId.TryParse(address.Id, out var id) ? await sandboxes.SettledAsync(id, context.RequestAborted) : null;
        if (info is { State: SandboxState.Paused } && MayResume(context.Request, address, info, lease))
        {
            // Who may not use it, does not wake it.
            if (!await IsAdmittedAsync(context, address, info))
                return true;
            try
            {
                info = await ResumeAsync(info, context.RequestAborted);
            }
            catch (Exception e) when (e is TeamLimitException or SandboxException)
            {
                (e as TeamLimitException)?.Tell(context.Response);
                await GatewayErrors.NotResumedAsync(context, address.Id, Api.Errors.Describe(e));
                return true;
            }
        }
        if (info is { State: SandboxState.Starting })
            await GatewayErrors.InTransitionAsync(context, address.Id);
        else if (info is not { State: SandboxState.Running })
            await GatewayErrors.NotFoundAsync(context, address.Id);
        else if (!await IsAdmittedAsync(context, address, info))
            return true;
        else if (address.Port == EnvdApi.Port)
            await envd.ServeAsync(context, info);
        else
            return await ports.TryForwardAsync(context, info, address.Port, lease, repeat);
        return true;
    }

    // Whether the request shows what its port asks for, beyond the token of all ports; what does not is answered here.
    private static async Task<bool> IsAdmittedAsync(HttpContext context, SandboxAddress address, SandboxInfo info)
    {
        if (address.Port == EnvdApi.Port)
            return await EnvdApi.IsAdmittedAsync(context, info);
        if (address.Port != InterpreterGate.Port || InterpreterGate.MayPass(context.Request, info))
            return true;
        await GatewayErrors.NoAccessAsync(context, address.Id, missing: !AccessToken.IsSent(context.Request));
        return false;
    }

    private DataAccess Describe(HttpContext context, SandboxAddress address, Lease? lease)
    {
        var (request, isAgent) = (context.Request, address.Port == EnvdApi.Port);
        var proof = (isAgent || address.Port == InterpreterGate.Port) && AccessToken.IsSent(request) ? "accessToken"
            : isAgent ? Signature.IsSigned(request) ? "signature" : null
            : lease?.TrafficToken is null ? null : "trafficToken";
        return new DataAccess(lease?.TeamId, null, proof, context.Connection.RemoteIpAddress?.ToString(), request.Method,
            isAgent ? envd.NameOf(request.Path) : $"port {address.Port}", address.Id, 0, null);
    }

    // By anything that is asked of it, but for whether it runs.
    private static bool MayResume(HttpRequest request, SandboxAddress address, SandboxInfo info, Lease? lease) =>
        lease is { AutoResume: true } && !info.FilesOnly && !(address.Port == EnvdApi.Port && request.Path == EnvdApi.HealthPath);

    // For as long as it was to live when it was made or resumed last, but for some minutes at least.
    private async Task<SandboxInfo> ResumeAsync(SandboxInfo info, CancellationToken cancellationToken) => (await leased.ResumeAsync(info, old =>
    {
        var life = Math.Min(Math.Max(old.EndAtMs - old.StartedAtMs, ResumedForMs), teams.Get(old.TeamId).MaxTimeoutSeconds * 1000L);
        return old with { EndAtMs = Math.Max(old.EndAtMs, time.GetUtcNow().ToUnixTimeMilliseconds() + life) };
    }, null, memory: true, cancellationToken)).Sandbox;

    // A signed URL for clients that reach all sandboxes at one address names none: the signature does.
    private async Task<bool> TryServeSignedAsync(HttpContext context)
    {
        if (context.Request.Path != FileRoutes.Path)
            return false;
        if (Cors.TryAnswer(context))
            return true;
        var info = sandboxes.List().FirstOrDefault(info => info.State is SandboxState.Running or SandboxState.Paused && Signature.Matches(context.Request, info.AccessToken));
        var (id, lease) = (info?.Id.ToString(), info is null ? null : leases.Find(info.Id.ToString()));
        await audit.WatchAsync(context,
            () => new DataAccess(lease?.TeamId, null, "signature", context.Connection.RemoteIpAddress?.ToString(), context.Request.Method, FileRoutes.Path, id, 0, null),
            () => id is null ? FileRoutes.RefuseAsync(context, 401, Signature.Refusal(context.Request)) : ServeAsync(context, new SandboxAddress(id, EnvdApi.Port, ByHost: false), lease));
        return true;
    }

    private static bool MayPass(HttpRequest request, Lease? lease) => lease?.TrafficToken is not { } token
        || CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), Encoding.UTF8.GetBytes(request.Headers[TokenHeader].ToString()));
}
