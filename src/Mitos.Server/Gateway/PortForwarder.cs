using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Lifecycles;
using Yarp.ReverseProxy.Forwarder;

namespace Mitos.Server.Gateway;

/// <summary>
/// Forwards requests to servers inside guests, through streams that the agent opens there: no network is needed, and servers that
/// listen on 127.0.0.1 only are reached too.
/// </summary>
internal sealed class PortForwarder(IHttpForwarder forwarder, ISandboxes sandboxes) : IDisposable
{
    private static readonly ForwarderRequestConfig Config = new() { ActivityTimeout = TimeSpan.FromHours(1), Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
    private readonly ConcurrentDictionary<SandboxId, HttpMessageInvoker> _invokers = new();

    public async Task ForwardAsync(HttpContext context, SandboxInfo sandbox, int port, Lease? lease)
    {
        var invoker = _invokers.GetOrAdd(sandbox.Id, Connect);
        var error = await forwarder.SendAsync(context, $"http://localhost:{port}", invoker, Config, new Transform(MaskOf(lease, port)));
        if (error == ForwarderError.None)
            return;
        foreach (var gone in _invokers.Keys.Where(id => sandboxes.TryGet(id) is not { State: SandboxState.Running }))
        {
            if (_invokers.TryRemove(gone, out var unused))
                unused.Dispose();
        }
        if (context.Response.HasStarted)
            return;
        context.Response.Clear();
        if (sandboxes.TryGet(sandbox.Id) is not { State: SandboxState.Running })
            await GatewayErrors.NotFoundAsync(context, sandbox.Id.ToString());
        else if (error == ForwarderError.Request)
            await GatewayErrors.ClosedPortAsync(context, sandbox.Id.ToString(), port);
        else
            context.Response.StatusCode = StatusCodes.Status502BadGateway;
    }

    public void Dispose()
    {
        foreach (var invoker in _invokers.Values)
            invoker.Dispose();
    }

    private HttpMessageInvoker Connect(SandboxId id) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
        ConnectCallback = async (connection, cancellationToken) =>
        {
            try
            {
                return await sandboxes.Agent(id).OpenPortAsync(connection.DnsEndPoint.Port, cancellationToken);
            }
            catch (Exception e) when (e is AgentException or Engine.Errors.SandboxException)
            {
                throw new HttpRequestException(e.Message, e);
            }
        },
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
