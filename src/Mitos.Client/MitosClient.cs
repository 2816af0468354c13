using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>
/// A client of mitosd. Safe for concurrent use. Every method throws <see cref="MitosException"/> when the daemon refuses or
/// cannot be reached.
/// </summary>
public sealed class MitosClient : IDisposable
{
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _http;
    private readonly string _where;
    private readonly string? _key;

    private MitosClient(SocketsHttpHandler handler, Uri address, string where, string? key)
    {
        _handler = handler;
        _where = where;
        _key = key;
        _http = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (key is not null)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>A client of a daemon on this machine, through its unix socket. Needs no key.</summary>
    /// <param name="socket">Default <c>/run/mitos/mitosd.sock</c>.</param>
    public static MitosClient Local(string socket = "/run/mitos/mitosd.sock") => new(
        new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        },
        new Uri("http://localhost/"), socket, null);

    /// <summary>A client of a daemon behind HTTP.</summary>
    /// <param name="address">For example <c>http://127.0.0.1:7070</c>.</param>
    /// <param name="key">An API key.</param>
    public static MitosClient Remote(Uri address, string key) => new(new SocketsHttpHandler(), address, address.ToString(), key);

    public Task<HealthBody> GetHealthAsync(CancellationToken cancellationToken = default) => GetAsync("health", ContractsJson.Default.HealthBody, cancellationToken);

    public Task<HostBody> GetHostAsync(CancellationToken cancellationToken = default) => GetAsync("v1/host", ContractsJson.Default.HostBody, cancellationToken);

    public Task<SandboxBody> CreateAsync(CreateSandboxRequest request, CancellationToken cancellationToken = default) =>
        PostAsync("v1/sandboxes", request, ContractsJson.Default.CreateSandboxRequest, ContractsJson.Default.SandboxBody, cancellationToken);

    /// <param name="memory">Whether to measure each sandbox's memory: about a millisecond each.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<SandboxBody>> ListAsync(bool memory = false, CancellationToken cancellationToken = default) =>
        GetAsync($"v1/sandboxes?memory={(memory ? "true" : "false")}", ContractsJson.Default.ListSandboxBody, cancellationToken);

    /// <param name="id">Id, name, or the beginning of an id.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<SandboxBody> GetAsync(string id, CancellationToken cancellationToken = default) => GetAsync(Path(id), ContractsJson.Default.SandboxBody, cancellationToken);

    public Task<MetricsBody> GetMetricsAsync(string id, CancellationToken cancellationToken = default) => GetAsync(Path(id, "metrics"), ContractsJson.Default.MetricsBody, cancellationToken);

    public async Task RemoveAsync(string id, CancellationToken cancellationToken = default)
    {
        using var removed = await SendAsync(new HttpRequestMessage(HttpMethod.Delete, Path(id)), cancellationToken);
    }

    /// <summary>Forks a running sandbox. Look at each child: it is a sandbox or an error.</summary>
    public Task<ForkBody> ForkAsync(string id, ForkRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(Path(id, "fork"), request, ContractsJson.Default.ForkRequest, ContractsJson.Default.ForkBody, cancellationToken);

    /// <summary>Runs a command and returns its output, at most 16 MiB of each stream.</summary>
    public Task<ExecBody> ExecAsync(string id, ExecRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(Path(id, "exec"), request, ContractsJson.Default.ExecRequest, ContractsJson.Default.ExecBody, cancellationToken);

    /// <summary>Starts a command whose input and output are streams.</summary>
    public async Task<ExecSession> OpenExecAsync(string id, ExecRequest request, CancellationToken cancellationToken = default)
    {
        await GetAsync(id, cancellationToken); // a WebSocket's refusal has no body to read the reason from
        var socket = new ClientWebSocket();
        if (_key is not null)
            socket.Options.SetRequestHeader("Authorization", $"Bearer {_key}");
        try
        {
            using var invoker = new HttpMessageInvoker(_handler, disposeHandler: false);
            var address = new UriBuilder(new Uri(_http.BaseAddress!, Path(id, "exec/stream"))) { Scheme = _http.BaseAddress!.Scheme == "https" ? "wss" : "ws" };
            await socket.ConnectAsync(address.Uri, invoker, cancellationToken);
            return await ExecSession.StartAsync(socket, request, cancellationToken);
        }
        catch (WebSocketException e)
        {
            socket.Dispose();
            throw Unreachable(e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task<byte[]> GetConsoleAsync(string id, int bytes = 65536, CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Get, Path(id, $"console?bytes={bytes}")), cancellationToken);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    public Task<FileBody> StatAsync(string id, string path, string user = "", CancellationToken cancellationToken = default) =>
        GetAsync(Files(id, "/stat", path, user), ContractsJson.Default.FileBody, cancellationToken);

    public Task<List<FileBody>> ListFilesAsync(string id, string path, int depth = 1, string user = "", CancellationToken cancellationToken = default) =>
        GetAsync(Files(id, "/list", path, user) + $"&depth={depth}", ContractsJson.Default.ListFileBody, cancellationToken);

    /// <summary>Copies a file of the guest to a stream.</summary>
    public async Task ReadFileAsync(string id, string path, Stream target, string user = "", CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Get, Files(id, "", path, user)), cancellationToken);
        await response.Content.CopyToAsync(target, cancellationToken);
    }

    /// <summary>Writes a file of the guest as a whole.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">The file.</param>
    /// <param name="source">Its content.</param>
    /// <param name="mode">Octal digits; empty: 644.</param>
    /// <param name="user">Whose file; empty: the default user.</param>
    /// <param name="cancellationToken">Drops what was written.</param>
    public async Task WriteFileAsync(string id, string path, Stream source, string mode = "", string user = "", CancellationToken cancellationToken = default)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, Files(id, "", path, user) + $"&mode={mode}") { Content = new StreamContent(source) };
        using var response = await SendAsync(request, cancellationToken);
    }

    public async Task RemoveFileAsync(string id, string path, bool recursive = false, string user = "", CancellationToken cancellationToken = default)
    {
        using var removed = await SendAsync(new HttpRequestMessage(HttpMethod.Delete, Files(id, "", path, user) + $"&recursive={(recursive ? "true" : "false")}"), cancellationToken);
    }

    public Task<List<TemplateBody>> ListTemplatesAsync(CancellationToken cancellationToken = default) => GetAsync("v1/templates", ContractsJson.Default.ListTemplateBody, cancellationToken);

    public async Task RemoveTemplateAsync(string name, CancellationToken cancellationToken = default)
    {
        using var removed = await SendAsync(new HttpRequestMessage(HttpMethod.Delete, $"v1/templates/{Uri.EscapeDataString(name)}"), cancellationToken);
    }

    /// <summary>Builds a template. The last event has the template; an error is thrown.</summary>
    public async IAsyncEnumerable<BuildEvent> BuildTemplateAsync(BuildTemplateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Post, "v1/templates") { Content = Json(request, ContractsJson.Default.BuildTemplateRequest) }, cancellationToken);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            var next = JsonSerializer.Deserialize(line, ContractsJson.Default.BuildEvent)!;
            if (next.Error is { } error)
                throw new MitosException(error);
            yield return next;
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _handler.Dispose();
    }

    private static string Path(string id, string rest = "") => $"v1/sandboxes/{Uri.EscapeDataString(id)}{(rest.Length > 0 ? "/" + rest : "")}";

    private static string Files(string id, string what, string path, string user) =>
        $"{Path(id)}/files{what}?path={Uri.EscapeDataString(path)}&user={Uri.EscapeDataString(user)}";

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Get, path), cancellationToken);
        return await ReadAsync(response, type, cancellationToken);
    }

    private async Task<T> PostAsync<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(request, requestType) }, cancellationToken);
        return await ReadAsync(response, type, cancellationToken);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(cancellationToken), type)!;

    private static ByteArrayContent Json<T>(T value, JsonTypeInfo<T> type) =>
        new(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using (request)
        {
            HttpResponseMessage response;
            try
            {
                response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            }
            catch (HttpRequestException e)
            {
                throw Unreachable(e);
            }
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
                throw new MitosException(await ReadErrorAsync(response, cancellationToken));
        }
    }

    private static async Task<ErrorBody> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(bytes, ContractsJson.Default.ErrorBody) ?? Unknown();
        }
        catch (JsonException)
        {
            return Unknown();
        }

        ErrorBody Unknown() => new(response.StatusCode == HttpStatusCode.NotFound ? ErrorCodes.NotFound : ErrorCodes.Internal, $"The daemon answered {(int)response.StatusCode}.", "");
    }

    private MitosException Unreachable(Exception e) =>
        new(new ErrorBody(ErrorCodes.Unavailable, $"mitosd is not running: nothing answers at {_where}.", "Start it with `./mitos up`."), e);
}
