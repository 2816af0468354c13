using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>Requests and answers; every failure of the daemon or of the way to it becomes a <see cref="MitosException"/>.</summary>
internal sealed class Transport : IDisposable
{
    private const int LargeBody = 1 << 20;
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _http;
    private readonly string _where;
    private readonly string? _key;

    /// <param name="handler">Connects.</param>
    /// <param name="address">Of the daemon.</param>
    /// <param name="where">The same for messages.</param>
    /// <param name="key">An API key; null: none is needed.</param>
    public Transport(SocketsHttpHandler handler, Uri address, string where, string? key)
    {
        (_handler, _where, _key) = (handler, where, key);
        handler.Expect100ContinueTimeout = TimeSpan.FromSeconds(10);
        _http = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if (key is not null)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    public Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, type, cancellationToken);

    public Task<T> PostAsync<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, request, requestType, type, cancellationToken);

    public Task<T> PatchAsync<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, path, request, requestType, type, cancellationToken);

    /// <summary>A DELETE that is answered by what is left.</summary>
    public Task<T> DeleteAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) => SendAsync(HttpMethod.Delete, path, type, cancellationToken);

    /// <summary>A request whose answer has no body.</summary>
    public async Task DoAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(new HttpRequestMessage(method, path) { Content = content }, cancellationToken);
    }

    /// <summary>The answer of a success, its body not read yet.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using (request)
        {
            // A refusal comes before all of a large body was sent; else it would be lost with the connection.
            if (request.Content is { } content && content.Headers.ContentLength is null or > LargeBody)
                request.Headers.ExpectContinue = true;
            var response = await GuardAsync(() => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken));
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
                throw new MitosException(ReadError(response.StatusCode, await GuardAsync(() => response.Content.ReadAsByteArrayAsync(cancellationToken))));
        }
    }

    public async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        var bytes = await GuardAsync(() => response.Content.ReadAsByteArrayAsync(cancellationToken));
        try
        {
            return JsonSerializer.Deserialize(bytes, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new MitosException(new ErrorBody(ErrorCodes.Unsupported, $"What answers at {_where} is no mitosd that this client knows: {e.Message}", "Use a client and a daemon of the same version."), e);
        }
    }

    public async Task<ClientWebSocket> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (_key is not null)
            socket.Options.SetRequestHeader("Authorization", $"Bearer {_key}");
        try
        {
            using var invoker = new HttpMessageInvoker(_handler, disposeHandler: false);
            var address = new UriBuilder(new Uri(_http.BaseAddress!, path)) { Scheme = _http.BaseAddress!.Scheme == "https" ? "wss" : "ws" };
            await socket.ConnectAsync(address.Uri, invoker, cancellationToken);
            return socket;
        }
        catch (WebSocketException e)
        {
            var status = socket.HttpStatusCode;
            socket.Dispose();
            throw status == 0 ? Broken(e) : new MitosException(ReadError(status, []), e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Runs something that reads from the daemon or writes to it.</summary>
    public async Task<T> GuardAsync<T>(Func<Task<T>> action)
    {
        try
        {
            return await action();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw Broken(e);
        }
    }

    private async Task<T> SendAsync<TRequest, T>(HttpMethod method, string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(new HttpRequestMessage(method, path) { Content = Json(request, requestType) }, cancellationToken);
        return await ReadAsync(response, type, cancellationToken);
    }

    private async Task<T> SendAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(new HttpRequestMessage(method, path), cancellationToken);
        return await ReadAsync(response, type, cancellationToken);
    }

    public static ByteArrayContent Json<T>(T value, JsonTypeInfo<T> type) =>
        new(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    public void Dispose()
    {
        _http.Dispose();
        _handler.Dispose();
    }

    private MitosException Broken(Exception e) => e.GetBaseException() is SocketException { SocketErrorCode: SocketError.AccessDenied }
        ? new(new ErrorBody(ErrorCodes.PermissionDenied, $"The socket of mitosd, {_where}, is root's.", "Use sudo; or set MITOS_URL and MITOS_API_KEY, and use mitosd over HTTP."), e)
        : IsUnreachable(e)
        ? new(new ErrorBody(ErrorCodes.Unavailable, $"mitosd is not running: nothing answers at {_where}.", "Start it with `./mitos up`."), e)
        : new(new ErrorBody(ErrorCodes.Unavailable, $"The connection to mitosd at {_where} broke: {e.GetBaseException().Message}", "See whether it runs with `mitos status`, and try again."), e);

    private static bool IsUnreachable(Exception e) => e.GetBaseException() is SocketException
    {
        SocketErrorCode: SocketError.ConnectionRefused or SocketError.AddressNotAvailable or SocketError.HostNotFound or SocketError.HostUnreachable or SocketError.NetworkUnreachable,
    };

    private static ErrorBody ReadError(HttpStatusCode status, byte[] bytes)
    {
        try
        {
            if (bytes.Length > 0 && JsonSerializer.Deserialize(bytes, ContractsJson.Default.ErrorBody) is { Code: not null } error)
                return error;
        }
        catch (JsonException)
        {
            // not mitosd's words; its status is all there is
        }
        var code = status switch
        {
            HttpStatusCode.BadRequest => ErrorCodes.InvalidArgument,
            HttpStatusCode.Unauthorized => ErrorCodes.Unauthenticated,
            HttpStatusCode.NotFound => ErrorCodes.NotFound,
            HttpStatusCode.ServiceUnavailable => ErrorCodes.Unavailable,
            _ => ErrorCodes.Internal,
        };
        return new ErrorBody(code, $"The daemon answered {(int)status}.", code == ErrorCodes.Unauthenticated ? "Give a valid API key, which has not expired." : "See the daemon's log.");
    }
}
