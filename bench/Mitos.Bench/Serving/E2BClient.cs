using System.Buffers.Binary;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mitos.Bench.Serving;

/// <summary>E2B's routes as its SDKs use them, with as little of its own as can be: what is measured is the server.</summary>
internal sealed class E2BClient(DaemonUnderTest daemon) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 1000 }) { BaseAddress = daemon.Address, Timeout = TimeSpan.FromMinutes(5), DefaultRequestHeaders = { { "X-API-KEY", daemon.Key } } };

    public async Task<RemoteSandbox> CreateAsync(string template = "base") =>
        RemoteSandbox.Of((await SendAsync(HttpMethod.Post, "v2/sandboxes", new JsonObject { ["templateID"] = template, ["timeout"] = 3600 }))!);

    /// <returns>All children; a child that failed is an error of the whole.</returns>
    public async Task<List<RemoteSandbox>> ForkAsync(string id, int count)
    {
        var results = (await SendAsync(HttpMethod.Post, $"sandboxes/{id}/fork", new JsonObject { ["count"] = count, ["timeout"] = 3600 }))!.AsArray();
        return results.Select(result => result!["sandbox"] is { } child ? RemoteSandbox.Of(child) : throw new WrongAnswerException($"a child of {id} failed: {result["error"]?.ToJsonString()}")).ToList();
    }

    public Task PauseAsync(string id) => SendAsync(HttpMethod.Post, $"sandboxes/{id}/pause", new JsonObject());

    public async Task<RemoteSandbox> ResumeAsync(string id) => RemoteSandbox.Of((await SendAsync(HttpMethod.Post, $"v2/sandboxes/{id}/connect", new JsonObject { ["timeout"] = 3600 }))!);

    /// <returns>The snapshot's id, which stands for a template.</returns>
    public async Task<string> SnapshotAsync(string id) => (string)(await SendAsync(HttpMethod.Post, $"sandboxes/{id}/snapshots", new JsonObject()))!["snapshotID"]!;

    public Task RemoveSnapshotAsync(string snapshot) => SendAsync(HttpMethod.Delete, $"templates/{Uri.EscapeDataString(snapshot)}", null);

    public Task KillAsync(string id) => SendAsync(HttpMethod.Delete, $"sandboxes/{id}", null);

    public async Task<int> ListAsync(string query)
    {
        using var answer = await _http.GetAsync("v2/sandboxes?" + query, daemon.Ending);
        answer.EnsureSuccessStatusCode();
        return (await JsonNode.ParseAsync(await answer.Content.ReadAsStreamAsync()))!.AsArray().Count;
    }

    /// <summary>Runs a shell command as root over process.Process/Start.</summary>
    /// <returns>What it printed.</returns>
    public async Task<string> RunAsync(RemoteSandbox sandbox, string command)
    {
        var message = Encoding.UTF8.GetBytes(new JsonObject { ["process"] = new JsonObject { ["cmd"] = "/bin/sh", ["args"] = new JsonArray("-c", command) }, ["stdin"] = false }.ToJsonString());
        var frame = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        using var request = ToAgent(HttpMethod.Post, sandbox, "process.Process/Start", new ByteArrayContent(frame) { Headers = { ContentType = new MediaTypeHeaderValue("application/connect+json") } });
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("root:"u8));
        using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, daemon.Ending);
        if (!answer.IsSuccessStatusCode)
            throw new WrongAnswerException($"`{command}` in {sandbox.Id}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        await using var body = await answer.Content.ReadAsStreamAsync();
        var output = new MemoryStream();
        int? code = null;
        var header = new byte[5];
        while (true)
        {
            await body.ReadExactlyAsync(header, daemon.Ending);
            var payload = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(1))];
            await body.ReadExactlyAsync(payload, daemon.Ending);
            var parsed = JsonNode.Parse(payload)!;
            if (header[0] == 2)
            {
                return code == 0 && parsed["error"] is null ? Encoding.UTF8.GetString(output.ToArray()).Trim()
                    : throw new WrongAnswerException($"`{command}` in {sandbox.Id} ended with {code}: {parsed.ToJsonString()}");
            }
            if (parsed["event"]?["data"]?["stdout"] is { } stdout)
                output.Write(Convert.FromBase64String((string)stdout!));
            if (parsed["event"]?["end"] is { } end)
                code = (int?)end["exitCode"] ?? 0;
        }
    }

    public async Task WriteFileAsync(RemoteSandbox sandbox, string path, byte[] content)
    {
        using var request = ToAgent(HttpMethod.Post, sandbox, $"files?username=root&path={Uri.EscapeDataString(path)}", new ByteArrayContent(content) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } });
        using var answer = await _http.SendAsync(request, daemon.Ending);
        if (!answer.IsSuccessStatusCode)
            throw new WrongAnswerException($"writing {path} in {sandbox.Id}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    public async Task<byte[]> ReadFileAsync(RemoteSandbox sandbox, string path)
    {
        using var request = ToAgent(HttpMethod.Get, sandbox, $"files?username=root&path={Uri.EscapeDataString(path)}", null);
        using var answer = await _http.SendAsync(request, daemon.Ending);
        return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync()
            : throw new WrongAnswerException($"reading {path} in {sandbox.Id}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    /// <summary>Runs a program over our own route.</summary>
    public async Task RunNativelyAsync(string id, string program) => await SendAsync(HttpMethod.Post, $"v1/sandboxes/{id}/exec", new JsonObject { ["argv"] = new JsonArray("/bin/sh", "-c", program), ["user"] = "root" });

    public void Dispose() => _http.Dispose();

    private async Task<JsonNode?> SendAsync(HttpMethod method, string path, JsonNode? body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await _http.SendAsync(request, daemon.Ending);
        var text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode)
            throw new WrongAnswerException($"{method} {path}: {(int)answer.StatusCode} {text}");
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    private static HttpRequestMessage ToAgent(HttpMethod method, RemoteSandbox sandbox, string path, HttpContent? content)
    {
        var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.Add("E2b-Sandbox-Id", sandbox.Id);
        request.Headers.Add("E2b-Sandbox-Port", "49983");
        request.Headers.Add("X-Access-Token", sandbox.Token);
        request.Headers.Add("Connect-Protocol-Version", "1");
        return request;
    }
}

/// <summary>A sandbox as clients know it.</summary>
internal sealed record RemoteSandbox(string Id, string Token)
{
    public static RemoteSandbox Of(JsonNode body) => new((string)body["sandboxID"]!, (string)body["envdAccessToken"]!);
}

/// <summary>The server answered what it must not.</summary>
internal sealed class WrongAnswerException(string message) : Exception(message);
