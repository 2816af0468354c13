using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.Tests.Envd;

public sealed class FaultTests(ServerFixture server)
{
    private const int MaxOpen = 1024;

    [Theory]
    [InlineData("json")]
    [InlineData("proto")]
    public async Task When_the_sandbox_goes_its_streams_are_cut_without_an_end_and_its_health_is_502(string form)
    {
        await using var lease = await server.CreateAsync();
        using var client = EnvdClient.Of(server, lease.Id, form);
        Assert.Equal(HttpStatusCode.NoContent, (await client.Http.GetAsync("health")).StatusCode);
        using var process = await client.OpenAsync("process.Process/Start", new StartRequest { Process = new() { Cmd = "sleep", Args = { "600" } } });
        using var watch = await client.OpenAsync("filesystem.Filesystem/WatchDir", new WatchDirRequest { Path = "/tmp" });
        await process.ReadPidAsync();
        await watch.ReadAsync<WatchDirResponse>();
        var removing = server.Client.RemoveAsync(lease.Id);
        await Assert.ThrowsAnyAsync<Exception>(process.ReadAsync<StartResponse>).ContinueWith(cut => Assert.IsNotType<EnvdError>(cut.Result), TaskScheduler.Default);
        using var health = await client.Http.GetAsync("health");
        Assert.Equal(HttpStatusCode.BadGateway, health.StatusCode);
        Assert.Equal($$"""{"sandboxId":"{{lease.Id}}","message":"The sandbox was not found","code":502}""", await health.Content.ReadAsStringAsync());
        Assert.IsNotType<EnvdError>(await Assert.ThrowsAnyAsync<Exception>(watch.ReadAsync<WatchDirResponse>));
        await removing;
    }

    [Fact]
    public async Task Calls_beyond_the_limit_are_refused_politely_and_clients_that_vanish_make_room()
    {
        await using var lease = await server.CreateAsync();
        using var client = EnvdClient.Of(server, lease.Id);
        var open = new List<Socket>();
        try
        {
            for (var i = 0; i < MaxOpen; i++)
                open.Add(await OpenAsync(client, "process.Process/StreamInput", "application/connect+proto")); // says nothing
            var refused = await UntilAsync(async () =>
            {
                using var stream = await client.OpenAsync("process.Process/StreamInput", new StreamInputRequest());
                return await Assert.ThrowsAsync<EnvdError>(stream.ReadAsync<StreamInputResponse>);
            }, error => error.Code == "resource_exhausted");
            Assert.Contains($"{MaxOpen} calls of this sandbox are open", refused.Message, StringComparison.Ordinal);
            var unary = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<ListResponse>("process.Process/List", new ListRequest()));
            Assert.Equal(("resource_exhausted", 429), (unary.Code, unary.Status));
            using var file = await client.Http.GetAsync("files?path=/etc/passwd");
            Assert.Equal(429, (int)file.StatusCode);
            Assert.Equal(HttpStatusCode.NoContent, (await client.Http.GetAsync("health")).StatusCode);
            using var other = await EnvdClient.ShareAsync(server);
            await other.CallAsync<ListResponse>("process.Process/List", new ListRequest());
        }
        finally
        {
            open.ForEach(socket => socket.Dispose());
        }
        await UntilAsync(async () =>
        {
            try
            {
                await client.CallAsync<ListResponse>("process.Process/List", new ListRequest());
                return true;
            }
            catch (EnvdError)
            {
                return false;
            }
        }, served => served);
    }

    [Theory]
    [InlineData("application/connect+json", "\x01\0\0\0\x02{}", "unimplemented")]
    [InlineData("application/connect+json", "\x02\0\0\0\x02{}", "invalid_argument")]
    [InlineData("application/connect+json", "\0\0\0\0\x02[]", "invalid_argument")]
    [InlineData("application/connect+json", "\0\0\0\0\x09{}", "invalid_argument")]
    [InlineData("application/connect+json", "\0\x7f\0\0\0", "resource_exhausted")]
    [InlineData("application/connect+json", "", "invalid_argument")]
    [InlineData("application/connect+proto", "\0\0\0\0\x02{}", "invalid_argument")]
    public async Task A_stream_that_makes_no_sense_ends_with_the_reason(string type, string body, string code)
    {
        using var client = await EnvdClient.ShareAsync(server, type.EndsWith("json", StringComparison.Ordinal) ? "json" : "proto");
        using var stream = await client.OpenAsync("process.Process/Start", new ByteArrayContent(Encoding.Latin1.GetBytes(body)));
        Assert.Equal(code, (await Assert.ThrowsAsync<EnvdError>(stream.ReadAsync<StartResponse>)).Code);
    }

    [Theory]
    [InlineData("application/json", "{", 400)]
    [InlineData("application/json", "[]", 400)]
    [InlineData("application/proto", "{", 400)]
    [InlineData("text/plain", "{}", 415)]
    [InlineData("application/connect+json", "{}", 415)]
    [InlineData("application/grpc", "{}", 415)]
    public async Task A_call_that_makes_no_sense_is_refused(string type, string body, int status)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };
        using var response = await client.Http.PostAsync("filesystem.Filesystem/Stat", content);
        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Calls_may_be_packed_and_a_body_that_unpacks_beyond_the_limit_is_refused()
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var packed = Pack("""{"path":"/usr/bin","depth":1}"""u8.ToArray());
        using var request = new HttpRequestMessage(HttpMethod.Post, "filesystem.Filesystem/ListDir") { Content = packed, Headers = { AcceptEncoding = { new("gzip") } } };
        using var response = await client.Http.SendAsync(request);
        Assert.Equal(["gzip"], response.Content.Headers.ContentEncoding);
        using var unpacked = new GZipStream(await response.Content.ReadAsStreamAsync(), CompressionMode.Decompress);
        Assert.InRange((await JsonSerializer.DeserializeAsync<JsonElement>(unpacked)).GetProperty("entries").GetArrayLength(), 50, 10_000);
        using var bomb = Pack(new byte[64 << 20]);
        using var refused = await client.Http.PostAsync("filesystem.Filesystem/ListDir", bomb);
        Assert.Equal(429, (int)refused.StatusCode);
        Assert.Contains("resource_exhausted", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("process.Process/List")]
    [InlineData("metrics")]
    [InlineData("envs")]
    [InlineData("files/compose")]
    [InlineData("files?path=/etc/passwd")]
    public async Task Without_the_token_nothing_is_served(string path)
    {
        using var client = await EnvdClient.ShareAsync(server);
        foreach (var token in (string[])["", "wrong", client.Token + "x", client.Token[..^1]])
        {
            client.Http.DefaultRequestHeaders.Remove("X-Access-Token");
            client.Http.DefaultRequestHeaders.TryAddWithoutValidation("X-Access-Token", token);
            using var response = await client.Http.PostAsync(path, new StringContent("{}", Encoding.UTF8, "application/json"));
            Assert.Equal(401, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task A_reader_that_stands_still_holds_its_process_and_nothing_else()
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var slow = await client.OpenAsync("process.Process/Start", new StartRequest { Process = new() { Cmd = "head", Args = { "-c", "20000000", "/dev/zero" } } });
        var pid = await slow.ReadPidAsync();
        using (var other = await client.OpenAsync("process.Process/Start", new StartRequest { Process = new() { Cmd = "echo", Args = { "fast" } } }))
        {
            await other.ReadPidAsync();
            Assert.Equal("fast\n", (await other.ReadToEndAsync()).Output);
        }
        Assert.Contains((await client.CallAsync<ListResponse>("process.Process/List", new ListRequest())).Processes, process => process.Pid == pid);
        Assert.Equal(20_000_000, (await slow.ReadToEndAsync()).Output.Length);
    }

    [Fact]
    public async Task A_client_that_sends_its_request_in_single_bytes_is_served()
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var socket = await OpenAsync(client, "process.Process/Start", "application/connect+json");
        foreach (var value in client.Frame(new StartRequest { Process = new() { Cmd = "echo", Args = { "slow" } } }))
            await socket.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"1\r\n{(char)0}\r\n")).Select(b => b == 0 ? value : b).ToArray());
        await socket.SendAsync("0\r\n\r\n"u8.ToArray());
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        while (!answer.ToString().Contains("0\r\n\r\n", StringComparison.Ordinal))
        {
            var got = await socket.ReceiveAsync(buffer, ServerFixture.Soon);
            Assert.NotEqual(0, got);
            answer.Append(Encoding.Latin1.GetString(buffer, 0, got));
        }
        Assert.Contains(Convert.ToBase64String("slow\n"u8), answer.ToString(), StringComparison.Ordinal);
    }

    // The head of a request whose body is to come.
    private static async Task<Socket> OpenAsync(EnvdClient client, string path, string type)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPEndPoint.Parse(client.Http.BaseAddress!.Authority));
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /{path} HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: {client.Id}\r\nE2b-Sandbox-Port: 49983\r\nX-Access-Token: {client.Token}\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        return socket;
    }

    private static async Task<T> UntilAsync<T>(Func<Task<T>> ask, Func<T, bool> enough)
    {
        var soon = ServerFixture.Soon;
        while (true)
        {
            var answer = await ask();
            if (enough(answer))
                return answer;
            await Task.Delay(20, soon);
        }
    }

    private static ByteArrayContent Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return new ByteArrayContent(packed.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue("application/json"), ContentEncoding = { "gzip" } } };
    }
}
