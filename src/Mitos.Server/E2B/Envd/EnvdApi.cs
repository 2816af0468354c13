using Microsoft.AspNetCore.Http.Features;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Control;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Files;
using Mitos.Server.Gateway;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Envd;

/// <summary>
/// What E2B's agent would answer on its port, answered by the host: nothing of E2B's runs in a guest, and tokens are checked where no
/// guest can reach.
/// </summary>
internal sealed class EnvdApi(ISandboxes sandboxes, OpenCalls calls, ProcessService processes, FilesystemService filesystem, WatchService watches, MetricSamples samples)
{
    public const int Port = 49983;
    public const string HealthPath = "/health";

    // Theirs are called by their own hosts only: for all others there is no such thing, with a token or without.
    private static readonly HashSet<string> Internal = ["/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade"];

    private readonly Dictionary<string, ConnectMethod> _methods = processes.Methods.Concat(filesystem.Methods).Concat(watches.Methods).ToDictionary();

    /// <summary>What a request asks for, as it may be written down: addresses that there are not have no name.</summary>
    public string NameOf(PathString path) => path.Value is { } known && (_methods.ContainsKey(known) || known is FileRoutes.Path or FileRoutes.ComposePath or HealthPath or "/metrics" or "/envs") ? known : "nothing";

    /// <summary>Answers a request that is admitted to a sandbox that runs.</summary>
    public async Task ServeAsync(HttpContext context, SandboxInfo sandbox)
    {
        var path = context.Request.Path.Value ?? "";
        if (IsHealth(context.Request))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }
        try
        {
            using var open = calls.Enter(sandbox.Id);
            using var call = new EnvdCall(context, sandbox, await sandboxes.AgentAsync(sandbox.Id, context.RequestAborted));
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null; // every reader has bounds of its own
            context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
            await (path switch
            {
                FileRoutes.Path => FileRoutes.ServeAsync(call),
                FileRoutes.ComposePath => FileCompose.ServeAsync(call),
                "/metrics" => EnvdFacts.WriteMetricsAsync(call, samples),
                "/envs" => EnvdFacts.WriteEnvironmentAsync(call),
                _ when _methods.TryGetValue(path, out var method) => ServeAsync(call, method),
                _ => E2BErrors.WriteAsync(context, 404, $"there is no {path}"),
            });
        }
        catch (Exception e) when (e is AgentException { IsMachineEnded: true } or SandboxException // whatever it has become since, a machine again for example
            || (e is AgentException { Code: AgentErrorCode.Internal } && sandboxes.TryGet(sandbox.Id) is not { State: SandboxState.Running }))
        {
            await GoneAsync(context, sandbox);
        }
        catch (Exception e) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            await RefuseAsync(context, path, e);
        }
        catch (Exception)
        {
            context.Abort(); // what the client got is not the whole
        }
    }

    /// <summary>Whether the request shows that it may use the sandbox, running or paused. What does not is answered.</summary>
    public static async Task<bool> IsAdmittedAsync(HttpContext context, SandboxInfo sandbox)
    {
        var request = context.Request;
        if (IsHealth(request) || AccessToken.IsRight(request, sandbox))
            return true;
        if (Internal.Contains(request.Path.Value ?? ""))
            await E2BErrors.WriteAsync(context, 404, $"there is no {request.Path}");
        else if (request.Path != FileRoutes.Path)
            await new ConnectException("unauthenticated", "unauthenticated: no or an invalid access token").WriteAsync(context.Response);
        else if (HasSignature(request, sandbox))
            return true;
        else
            await FileRoutes.RefuseAsync(context, 401, Signature.Refusal(request));
        return false;
    }

    private static bool IsHealth(HttpRequest request) => request.Path == HealthPath && HttpMethods.IsGet(request.Method);

    private static bool HasSignature(HttpRequest request, SandboxInfo sandbox) =>
        Signature.IsSigned(request) && Signature.Matches(request, sandbox.AccessToken) && !Signature.IsExpired(request, DateTimeOffset.UtcNow);

    private static Task ServeAsync(EnvdCall call, ConnectMethod method)
    {
        if (HttpMethods.IsPost(call.Context.Request.Method))
            return method.ServeAsync(call);
        call.Context.Response.Headers.Allow = HttpMethods.Post;
        return E2BErrors.WriteAsync(call.Context, 405, "method not allowed");
    }

    // A stream is cut: an orderly end would say that its process ended.
    private static Task GoneAsync(HttpContext context, SandboxInfo sandbox)
    {
        if (!context.Response.HasStarted)
            return GatewayErrors.NotFoundAsync(context, sandbox.Id.ToString());
        context.Abort();
        return Task.CompletedTask;
    }

    private Task RefuseAsync(HttpContext context, string path, Exception e)
    {
        if (_methods.TryGetValue(path, out var method))
            return method.RefuseAsync(context, ConnectException.Of(e));
        return FileRoutes.RefuseAsync(context, e);
    }
}
