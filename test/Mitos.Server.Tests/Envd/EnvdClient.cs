using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Mitos.Engine.Sandboxes;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.Tests.Envd;

/// <summary>A client of the agent's API as E2B's clients know it, in either form of messages.</summary>
internal sealed class EnvdClient : IDisposable
{
    private readonly MessageCodec _codec;

    private EnvdClient(ServerFixture server, string id, string form)
    {
        _codec = form == "json" ? MessageCodec.Json : MessageCodec.Proto;
        Id = id;
        Token = server.Engine.Sandboxes.TryGet(SandboxId.Parse(id))!.AccessToken;
        Http = new HttpClient { BaseAddress = server.Address, Timeout = ServerFixture.Limit };
        Http.DefaultRequestHeaders.Add("E2b-Sandbox-Id", id);
        Http.DefaultRequestHeaders.Add("E2b-Sandbox-Port", "49983");
        Http.DefaultRequestHeaders.Add("X-Access-Token", Token);
    }

    /// <summary>With the headers that every call has.</summary>
    public HttpClient Http { get; }

    public string Id { get; }

    public string Token { get; }

    /// <summary>Of the sandbox that tests leave as it is.</summary>
    public static async Task<EnvdClient> ShareAsync(ServerFixture server, string form = "json") => new(server, await server.ShareAsync(), form);

    public static EnvdClient Of(ServerFixture server, string id, string form = "json") => new(server, id, form);

    /// <exception cref="EnvdError">Refused.</exception>
    public async Task<T> CallAsync<T>(string method, IMessage request, string? user = null, params (string Name, string Value)[] headers)
        where T : IMessage<T>, new()
    {
        using var response = await SendAsync(method, new ByteArrayContent(Encode(request)), _codec.UnaryType, user, headers);
        var body = await response.Content.ReadAsByteArrayAsync();
        if (response.IsSuccessStatusCode)
        {
            Assert.Equal(_codec.UnaryType, response.Content.Headers.ContentType!.MediaType);
            return _codec.Read<T>(body);
        }
        throw EnvdError.Read(JsonSerializer.Deserialize<JsonElement>(body), (int)response.StatusCode);
    }

    /// <summary>A stream whose client says one thing.</summary>
    public Task<EnvdStream> OpenAsync(string method, IMessage request, string? user = null, params (string Name, string Value)[] headers) =>
        OpenAsync(method, new ByteArrayContent(Frame(request)), user, headers);

    /// <summary>A stream whose client says this.</summary>
    public async Task<EnvdStream> OpenAsync(string method, HttpContent content, string? user = null, params (string Name, string Value)[] headers)
    {
        var response = await SendAsync(method, content, _codec.StreamType, user, headers);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(_codec.StreamType, response.Content.Headers.ContentType!.MediaType);
        return new EnvdStream(response, await response.Content.ReadAsStreamAsync(), _codec);
    }

    /// <summary>As it is on the wire.</summary>
    public byte[] Frame(IMessage message, byte flags = 0)
    {
        byte[] frame = [.. new byte[ConnectFrames.Header], .. Encode(message)];
        ConnectFrames.Complete(frame, flags);
        return frame;
    }

    public void Dispose() => Http.Dispose();

    private byte[] Encode(IMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        _codec.Write(message, buffer);
        return buffer.WrittenSpan.ToArray();
    }

    private Task<HttpResponseMessage> SendAsync(string method, HttpContent content, string type, string? user, (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, method) { Content = content };
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        request.Headers.Add("Connect-Protocol-Version", "1");
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        if (user is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(user + ":")));
        return Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ServerFixture.Soon);
    }
}

/// <summary>A refusal, as it came.</summary>
internal sealed class EnvdError(string code, string message, int status) : Exception(message)
{
    public string Code => code;

    /// <summary>Of HTTP.</summary>
    public int Status => status;

    public static EnvdError Read(JsonElement error, int status) => new(error.GetProperty("code").GetString()!, error.GetProperty("message").GetString()!, status);
}
