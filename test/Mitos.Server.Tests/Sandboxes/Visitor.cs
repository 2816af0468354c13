using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>What may be asked of a sandbox.</summary>
internal enum Kind
{
    /// <summary>Of its server: how often it was asked.</summary>
    Get,

    /// <summary>The same, with a body.</summary>
    Post,

    Stat,
    Start,
    Download,
    Upload,
    Health,
    Exec,
    Connect,
    Resume,
    Timeout,
}

/// <summary>An answer as it came.</summary>
internal readonly record struct Answer(int Status, string Text);

/// <summary>Asks one sandbox all kinds of things, in which a server counts in memory how often it was asked.</summary>
internal sealed class Visitor : IAsyncDisposable
{
    private const string Server = """
        import http.server, threading
        boot, lock, count = open('/proc/sys/kernel/random/boot_id').read().strip(), threading.Lock(), 0
        class Counter(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                global count
                self.rfile.read(int(self.headers.get('Content-Length') or 0))
                with lock:
                    count += 1
                    said = f'{boot} {count}'.encode()
                self.send_response(200)
                self.send_header('Content-Length', str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            do_POST = do_GET
            def log_message(self, *args): pass
        http.server.ThreadingHTTPServer(('127.0.0.1', 8000), Counter).serve_forever()
        """;

    private readonly ServerFixture _server;
    private readonly HttpClient _http;
    private readonly bool _autoResume;
    private readonly ConcurrentBag<long> _counts = [];
    private string _boot = "";
    private int _asked;

    private Visitor(ServerFixture server, string id, bool autoResume)
    {
        (_server, Id, _autoResume) = (server, id, autoResume);
        _http = new HttpClient { BaseAddress = server.Address, Timeout = ServerFixture.Limit };
        _http.DefaultRequestHeaders.Add("X-API-KEY", server.Key);
        _http.DefaultRequestHeaders.Add("X-Access-Token", server.Engine.Sandboxes.TryGet(SandboxId.Parse(id))!.AccessToken);
    }

    public string Id { get; }

    public SandboxState? State => _server.Engine.Sandboxes.TryGet(SandboxId.Parse(Id))?.State;

    /// <summary>What is answered for one that does not run.</summary>
    public string NotFound => $$"""{"sandboxId":"{{Id}}","message":"The sandbox was not found","code":502}""";

    private string InTransition => $$"""{"sandboxId":"{{Id}}","message":"The sandbox is still transitioning. Try again in a moment.","code":409}""";

    public static async Task<Visitor> MakeAsync(ServerFixture server, bool autoResume, int port)
    {
        var made = await server.Http.PostJsonAsync("v2/sandboxes", $$"""{"templateID":"base","timeout":600,"autoPause":true,"autoResume":{"enabled":{{(autoResume ? "true" : "false")}}} }""").ReadAsync();
        var visitor = new Visitor(server, made.GetProperty("sandboxID").GetString()!, autoResume);
        await server.Client.OpenExecAsync(visitor.Id, new ExecRequest { Argv = ["python3", "-c", Server], Detach = true });
        for (var until = DateTime.UtcNow + ServerFixture.Limit; (await visitor.AskAsync(Kind.Get)).Status != 200; await Task.Delay(100))
            Assert.True(DateTime.UtcNow < until, $"no server at port {port}");
        return visitor;
    }

    public Task FillAsync() => _server.Client.ExecAsync(Id, new ExecRequest { Cmd = "head -c 60M /dev/urandom > /dev/shm/much", User = "root" });

    /// <summary>Pauses it; that somebody else does it too is as good.</summary>
    public async Task PauseAsync()
    {
        using var response = await _http.PostJsonAsync($"sandboxes/{Id}/pause", "{}");
        Assert.True((int)response.StatusCode is 204 or 409, $"{response.StatusCode}");
    }

    /// <exception cref="HttpRequestException">The connection was cut: that is no answer.</exception>
    public async Task<Answer> AskAsync(Kind kind)
    {
        if (kind is Kind.Get or Kind.Post)
            Interlocked.Increment(ref _asked);
        using var request = kind switch
        {
            Kind.Get => new HttpRequestMessage(HttpMethod.Get, "/"),
            Kind.Post => new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent("more") },
            Kind.Stat => Rpc("filesystem.Filesystem/Stat", "application/json", Encoding.UTF8.GetBytes("""{"path":"/etc/hosts"}""")),
            Kind.Start => Rpc("process.Process/Start", "application/connect+json", Frame("""{"process":{"cmd":"/bin/true"}}""")),
            Kind.Download => new HttpRequestMessage(HttpMethod.Get, "files?path=/etc/hosts"),
            Kind.Upload => new HttpRequestMessage(HttpMethod.Post, "files?path=/tmp/uploaded") { Content = new ByteArrayContent(new byte[50_000]) { Headers = { { "Content-Type", "application/octet-stream" } } } },
            Kind.Health => new HttpRequestMessage(HttpMethod.Get, "health"),
            Kind.Exec => new HttpRequestMessage(HttpMethod.Post, $"v1/sandboxes/{Id}/exec") { Content = HttpRequests.Json("""{"argv":["true"]}""") },
            Kind.Connect or Kind.Resume => new HttpRequestMessage(HttpMethod.Post, $"sandboxes/{Id}/{kind.ToString().ToLowerInvariant()}") { Content = HttpRequests.Json("""{"timeout":600,"autoPause":true}""") },
            _ => new HttpRequestMessage(HttpMethod.Post, $"sandboxes/{Id}/timeout") { Content = HttpRequests.Json("""{"timeout":600}""") },
        };
        if (kind < Kind.Exec)
        {
            request.Headers.Add("E2b-Sandbox-Id", Id);
            request.Headers.Add("E2b-Sandbox-Port", kind is Kind.Get or Kind.Post ? "8000" : "49983");
        }
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ServerFixture.Soon);
        string text;
        try
        {
            text = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        }
        catch (HttpRequestException) when (kind == Kind.Start && response.IsSuccessStatusCode)
        {
            text = "cut"; // it was started, by the machine that ended
        }
        if (kind is Kind.Get or Kind.Post && response.IsSuccessStatusCode)
        {
            var said = text.Split(' ');
            _boot = _boot.Length == 0 ? said[0] : _boot;
            Assert.Equal(_boot, said[0]);
            _counts.Add(long.Parse(said[1]));
        }
        return new Answer((int)response.StatusCode, text);
    }

    /// <summary>Whether an answer is one of a machine, or that of a paused sandbox.</summary>
    public bool MaySay(Kind kind, Answer answer) => (kind, answer.Status) switch
    {
        (Kind.Get, 502) => !_autoResume && answer.Text == NotFound,
        (Kind.Post, 409) => _autoResume && answer.Text == InTransition, // it was under way already
        (Kind.Post, 502) => !_autoResume && answer.Text == NotFound,
        ( < Kind.Exec, 502) => answer.Text == NotFound,
        (Kind.Exec, 412) => answer.Text.Contains("is paused and cannot be", StringComparison.Ordinal) && answer.Text.Contains("mitos resume", StringComparison.Ordinal),
        (Kind.Exec, 503) => answer.Text.Contains("was paused", StringComparison.Ordinal) && answer.Text.Contains("mitos resume", StringComparison.Ordinal),
        (Kind.Resume, 409) => answer.Text.Contains("already running", StringComparison.Ordinal),
        (Kind.Get or Kind.Post or Kind.Start or Kind.Stat or Kind.Download or Kind.Upload or Kind.Exec, 200) or (Kind.Connect, 200 or 201) or (Kind.Resume, 201) or (Kind.Health or Kind.Timeout, 204) => true,
        _ => false,
    };

    /// <summary>Fails unless it has counted each request once, and lost none that it answered. It runs.</summary>
    public async Task CheckAsync()
    {
        var last = await AskAsync(Kind.Get);
        Assert.True(last.Status == 200, $"{last}");
        Assert.Equal(_counts.Count, _counts.Distinct().Count());
        Assert.InRange(_counts.Max(), _counts.Count, _asked + _asked); // one that was asked before a pause may be asked again after it
        Assert.Equal(_counts.Max(), long.Parse(last.Text.Split(' ')[1]));
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.Client.RemoveAsync(Id);
    }

    private static HttpRequestMessage Rpc(string method, string type, byte[] body) => new(HttpMethod.Post, method)
    {
        Content = new ByteArrayContent(body) { Headers = { { "Content-Type", type } } },
        Headers = { { "Connect-Protocol-Version", "1" } },
    };

    private static byte[] Frame(string json) => [0, 0, 0, 0, (byte)json.Length, .. Encoding.UTF8.GetBytes(json)];
}
