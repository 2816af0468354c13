using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Lifecycles;
using Yarp.ReverseProxy.Forwarder;

namespace Mitos.Server.Gateway;

/// <summary>
/// Forwards requests to servers inside guests, through streams that the agent opens there: no network is needed, and servers that
/// listen on 127.0.0.1 only are reached too.
/// </summary>
internal sealed class PortForwarder(IHttpForwarder forwarder, ISandboxes sandboxes, OpenRequests open)
{
    private static readonly ForwarderRequestConfig Config = new() { ActivityTimeout = TimeSpan.FromHours(1), Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
    // gRPC is HTTP/2 to the end, and servers of it in guests speak it without TLS, at once. Others may not: they get HTTP/1.1.
    private static readonly ForwarderRequestConfig GrpcConfig = Config with { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
    // Of each machine: connections to one are not the next one's, and what was sent to one is never sent to the next unseen.
    private readonly ConditionalWeakTable<AgentClient, HttpMessageInvoker> _invokers = [];

    /// <summary>Answers a request, whatever becomes of it.</summary>
    /// <param name="context">Of the request.</param>
    /// <param name="sandbox">It ran.</param>
    /// <param name="port">Where to.</param>
    /// <param name="lease">The sandbox's.</param>
    /// <param name="mayRepeat">Whether the caller can see to it that the sandbox has a machine again.</param>
    /// <returns>False: nothing is answered, for the machine has ended, and the request may go to the next one: it changes nothing where it was seen already.</returns>
    public async Task<bool> TryForwardAsync(HttpContext context, SandboxInfo sandbox, int port, Lease? lease, bool mayRepeat)
    {
        if (!open.TryEnter(sandbox.Id))
        {
            await GatewayErrors.TooManyAsync(context, sandbox.Id.ToString(), open.Limit);
            return true;
        }
        try
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = null; // what a body may have is for the guest's server to say
            Exception? cause = null;
            try
            {
                var invoker = _invokers.GetValue(sandboxes.Agent(sandbox.Id), Connect);
                if (await forwarder.SendAsync(context, $"http://localhost:{port}", invoker, IsGrpc(context.Request) ? GrpcConfig : Config, new Transform(MaskOf(lease, port))) == ForwarderError.None)
                    return true;
                cause = context.GetForwarderErrorFeature()?.Exception;
            }
            catch (SandboxException e)
            {
                cause = e; // it was ended since it was seen
            }
            if (context.Response.HasStarted || context.RequestAborted.IsCancellationRequested)
                return true;
            var status = context.Response.StatusCode;
            context.Response.Clear();
            var hasEnded = HasEnded(cause);
            if (hasEnded && mayRepeat && lease is { AutoResume: true } && IsRepeatable(context.Request))
                return false;
            await RefuseAsync(context, sandbox.Id, port, lease, hasEnded, cause, status);
            return true;
        }
        finally
        {
            open.Leave(sandbox.Id);
        }
    }

    private Task RefuseAsync(HttpContext context, SandboxId id, int port, Lease? lease, bool hasEnded, Exception? cause, int status)
    {
        var name = id.ToString();
        if (hasEnded)
        {
            return sandboxes.TryGet(id) is { State: SandboxState.Running or SandboxState.Paused } && lease is { AutoResume: true }
                ? GatewayErrors.InTransitionAsync(context, name) // whether it was seen is not known; the next request finds it resumed
                : GatewayErrors.NotFoundAsync(context, name);
        }
        return CauseOf(cause) switch
        {
            AgentErrorCode.FailedPrecondition => GatewayErrors.ClosedPortAsync(context, name, port),
            AgentErrorCode.Exhausted => GatewayErrors.TooManyAsync(context, name, open.Limit),
            _ when status == StatusCodes.Status504GatewayTimeout => GatewayErrors.TooLateAsync(context, name, port),
            _ when status < 500 => GatewayErrors.BadAsync(context, "Invalid request body"), // what its client sent cannot be read
            _ => GatewayErrors.NoAnswerAsync(context, name, port),
        };
    }

    // Of methods that change nothing, and without a body, of which a part may be gone.
    private static bool IsRepeatable(HttpRequest request) =>
        (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method)) && request.ContentLength is null or 0 && !request.Headers.ContainsKey("Transfer-Encoding");

    private static bool IsGrpc(HttpRequest request) => HttpProtocol.IsHttp2(request.Protocol) && request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true;

    private static bool HasEnded(Exception? e)
    {
        while (e is not (null or SandboxException or AgentException { IsMachineEnded: true }))
            e = e.InnerException;
        return e is not null;
    }

    private static AgentErrorCode? CauseOf(Exception? e)
    {
        while (e is not (null or AgentException))
            e = e.InnerException;
        return (e as AgentException)?.Code;
    }

    private static HttpMessageInvoker Connect(AgentClient agent) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        ActivityHeadersPropagator = null, // a guest is not told of our traces
        ConnectTimeout = TimeSpan.FromSeconds(30),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        ConnectCallback = async (connection, cancellationToken) => await agent.OpenPortAsync(connection.DnsEndPoint.Port, cancellationToken),
    });

    private static string? MaskOf(Lease? lease, int port)
    {
        if (lease?.Network is not { } network)
            return null;
        using var parsed = JsonDocument.Parse(network);
        return parsed.RootElement.TryGetProperty("maskRequestHost", out var mask) && mask.ValueKind == JsonValueKind.String
            ? mask.GetString()!.Replace("${PORT}", port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            : null;
    }

    private sealed class Transform(string? host) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(HttpContext context, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(context, proxyRequest, destinationPrefix, cancellationToken);
            if (host is not null)
                proxyRequest.Headers.Host = host;
        }
    }
}
