using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Lifecycles;
using Yarp.ReverseProxy.Forwarder;

namespace Mitos.Server.Gateway;

/// <summary>
/// Forwards requests to servers inside guests, through streams that the agent opens there: no network is needed, and servers that
/// listen on 127.0.0.1 only are reached too.
/// </summary>
internal sealed class PortForwarder(IHttpForwarder forwarder, ISandboxes sandboxes, OpenRequests open) : IDisposable
{
    private static readonly ForwarderRequestConfig Config = new() { ActivityTimeout = TimeSpan.FromHours(1), Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
    private readonly ConcurrentDictionary<SandboxId, HttpMessageInvoker> _invokers = new();

    public async Task ForwardAsync(HttpContext context, SandboxInfo sandbox, int port, Lease? lease)
    {
        if (!open.TryEnter(sandbox.Id))
        {
            await GatewayErrors.TooManyAsync(context, sandbox.Id.ToString(), open.Limit);
            return;
        }
        try
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = null; // what a body may have is for the guest's server to say
            if (!_invokers.TryGetValue(sandbox.Id, out var invoker))
            {
                Sweep();
                invoker = _invokers.GetOrAdd(sandbox.Id, Connect);
            }
            var error = await forwarder.SendAsync(context, $"http://localhost:{port}", invoker, Config, new Transform(MaskOf(lease, port)));
            if (error != ForwarderError.None && !context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
                await RefuseAsync(context, sandbox.Id, port, lease);
        }
        finally
        {
            open.Leave(sandbox.Id);
        }
    }

    public void Dispose()
    {
        foreach (var invoker in _invokers.Values)
            invoker.Dispose();
    }

    private Task RefuseAsync(HttpContext context, SandboxId id, int port, Lease? lease)
    {
        var status = context.Response.StatusCode;
        context.Response.Clear();
        var name = id.ToString();
        return sandboxes.TryGet(id)?.State switch
        {
            SandboxState.Paused when lease is { AutoResume: true } => GatewayErrors.InTransitionAsync(context, name), // the next request resumes it
            not SandboxState.Running => GatewayErrors.NotFoundAsync(context, name),
            _ => CauseOf(context.GetForwarderErrorFeature()?.Exception) switch
            {
                AgentErrorCode.FailedPrecondition => GatewayErrors.ClosedPortAsync(context, name, port),
                AgentErrorCode.Exhausted => GatewayErrors.TooManyAsync(context, name, open.Limit),
                _ when status == StatusCodes.Status504GatewayTimeout => GatewayErrors.TooLateAsync(context, name, port),
                _ when status < 500 => GatewayErrors.BadAsync(context, "Invalid request body"), // what its client sent cannot be read
                _ => GatewayErrors.NoAnswerAsync(context, name, port),
            },
        };
    }

    private static AgentErrorCode? CauseOf(Exception? e)
    {
        while (e is not (null or AgentException))
            e = e.InnerException;
        return (e as AgentException)?.Code;
    }

    private void Sweep()
    {
        foreach (var gone in _invokers.Keys.Where(id => sandboxes.TryGet(id) is not { State: SandboxState.Running or SandboxState.Paused }))
        {
            if (_invokers.TryRemove(gone, out var unused))
                unused.Dispose();
        }
    }

    private HttpMessageInvoker Connect(SandboxId id) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        ActivityHeadersPropagator = null, // a guest is not told of our traces
        ConnectTimeout = TimeSpan.FromSeconds(30),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        ConnectCallback = async (connection, cancellationToken) => await sandboxes.Agent(id).OpenPortAsync(connection.DnsEndPoint.Port, cancellationToken),
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
