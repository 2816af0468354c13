using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.Tests.Envd;

public sealed class FileTests(ServerFixture server)
{
    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(500_000, false)]
    [InlineData(500_000, true)]
    public async Task A_file_comes_back_byte_for_byte_packed_or_not(int length, bool packed)
    {
        using var client = await EnvdClient.ShareAsync(server);
        var (path, bytes) = (NewPath(), RandomNumberGenerator.GetBytes(length));
        using var content = new ByteArrayContent(packed ? Pack(bytes) : bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        if (packed)
            content.Headers.ContentEncoding.Add("gzip");
        Assert.Equal($$"""[{"name":"{{Path.GetFileName(path)}}","path":"{{path}}","type":"file"}]""", await PostAsync(client, $"files?path={path}", content));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"files?path={path}");
        if (packed)
            request.Headers.AcceptEncoding.ParseAdd("gzip");
        using var response = await client.Http.SendAsync(request);
        Assert.Equal(packed ? ["gzip"] : [], response.Content.Headers.ContentEncoding);
        var body = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal(bytes, packed ? Unpack(body) : body);
    }

    [Fact]
    public async Task The_parts_of_a_form_are_files_by_their_names()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var root = NewPath();
        using var form = new MultipartFormDataContent
        {
            { new StringContent("one"), "file", $"{root}/deep/one" },
            { new StringContent("ignored"), "other", $"{root}/ignored" },
            { new StringContent(""), "file", $"{root}/two" },
        };
        var written = JsonSerializer.Deserialize<JsonElement>(await PostAsync(client, "files", form));
        Assert.Equal([$"{root}/deep/one", $"{root}/two"], written.EnumerateArray().Select(file => file.GetProperty("path").GetString()!));
        Assert.Equal("one", await client.Http.GetStringAsync($"files?path={root}/deep/one"));
        Assert.Equal("", await client.Http.GetStringAsync($"files?path={root}/two"));
        Assert.Equal(HttpStatusCode.NotFound, (await client.Http.GetAsync($"files?path={root}/ignored")).StatusCode);
    }

    [Fact]
    public async Task A_part_without_a_file_name_goes_to_the_path_of_the_query_once()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var path = NewPath();
        using var form = new MultipartFormDataContent { { new StringContent("text"), "file" } };
        Assert.Contains(path, await PostAsync(client, $"files?path={path}&username=root", form), StringComparison.Ordinal);
        Assert.Equal("text", await client.Http.GetStringAsync($"files?path={path}"));
        Assert.Equal("root", (await StatAsync(client, path)).Owner);
        using var none = new MultipartFormDataContent { { new StringContent("text"), "file" } };
        await RefusesAsync(400, "file name", client.Http.PostAsync("files", none));
        using var two = new MultipartFormDataContent { { new StringContent("a"), "file", "a" }, { new StringContent("b"), "file", "b" } };
        await RefusesAsync(400, "same path", client.Http.PostAsync($"files?path={path}", two));
        using var empty = new MultipartFormDataContent { { new StringContent("a"), "other" } };
        await RefusesAsync(400, "no part named file", client.Http.PostAsync($"files?path={path}", empty));
    }

    [Fact]
    public async Task Parts_and_conditions_are_served()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var path = NewPath();
        await PostAsync(client, $"files?path={path}", new ByteArrayContent("0123456789"u8.ToArray()));
        using var whole = await client.Http.GetAsync($"files?path={path}");
        Assert.Equal((10, "bytes", "application/octet-stream"), (whole.Content.Headers.ContentLength, whole.Headers.AcceptRanges.Single(), whole.Content.Headers.ContentType!.MediaType));
        Assert.StartsWith("inline", whole.Content.Headers.ContentDisposition!.ToString(), StringComparison.Ordinal);
        var (tag, modified) = (whole.Headers.ETag!, whole.Content.Headers.LastModified!.Value);
        Assert.Equal((206, "234"), await GetAsync(headers => headers.Range = new RangeHeaderValue(2, 4)));
        Assert.Equal((206, "789"), await GetAsync(headers => headers.Range = new RangeHeaderValue(null, 3)));
        Assert.Equal((206, "89"), await GetAsync(headers => headers.Range = new RangeHeaderValue(8, 999)));
        Assert.Equal((416, ""), await GetAsync(headers => headers.Range = new RangeHeaderValue(10, 12)));
        Assert.Equal((304, ""), await GetAsync(headers => headers.IfNoneMatch.Add(tag)));
        Assert.Equal((304, ""), await GetAsync(headers => headers.IfModifiedSince = modified));
        Assert.Equal((200, "0123456789"), await GetAsync(headers => headers.IfModifiedSince = modified.AddDays(-1)));
        Assert.Equal((412, ""), await GetAsync(headers => headers.IfMatch.Add(new EntityTagHeaderValue("\"other\""))));
        Assert.Equal((200, "0123456789"), await GetAsync(headers => (headers.Range, headers.IfRange) = (new RangeHeaderValue(2, 4), new RangeConditionHeaderValue(new EntityTagHeaderValue("\"other\"")))));
        using var head = await client.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"files?path={path}"));
        Assert.Equal(10, head.Content.Headers.ContentLength);

        async Task<(int, string)> GetAsync(Action<HttpRequestHeaders> set)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"files?path={path}");
            set(request.Headers);
            using var response = await client.Http.SendAsync(request);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task Files_of_proc_are_read_to_their_end()
    {
        using var client = await EnvdClient.ShareAsync(server);
        Assert.Contains("MemTotal:", await client.Http.GetStringAsync("files?path=/proc/meminfo"), StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Get, "files?path=/proc/meminfo") { Headers = { AcceptEncoding = { new("gzip") } } };
        using var response = await client.Http.SendAsync(request);
        Assert.Contains("MemTotal:", Encoding.UTF8.GetString(Unpack(await response.Content.ReadAsByteArrayAsync())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_is_read_and_written_through()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var path = NewPath();
        await PostAsync(client, $"files?path={path}/target", new StringContent("old"));
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = $"ln -s target {path}/link" });
        await PostAsync(client, $"files?path={path}/link", new StringContent("new"));
        Assert.Equal("new", await client.Http.GetStringAsync($"files?path={path}/link"));
        Assert.Equal("new", await client.Http.GetStringAsync($"files?path={path}/target"));
        Assert.True((await StatAsync(client, $"{path}/link")).IsSymlink);
    }

    [Theory]
    [InlineData("GET", "files?path=/no/such", 404, "/no/such")]
    [InlineData("GET", "files?path=/etc", 400, "is a directory")]
    [InlineData("GET", "files?path=/dev/null", 400, "no regular file")]
    [InlineData("GET", "files", 400, "path is required")]
    [InlineData("GET", "files?path=/etc/passwd&username=nobody-here", 401, "invalid username: 'nobody-here'")]
    [InlineData("POST", "files?path=/etc", 400, "directory")]
    [InlineData("POST", "files?path=/dev/null&username=root", 400, "no regular file")]
    [InlineData("POST", "files", 400, "path is required")]
    [InlineData("POST", "files?path=/etc/passwd/x", 400, "Not a directory")]
    [InlineData("GET", "files?path=/sys/bus/pci/rescan", 403, "Permission denied")]
    [InlineData("GET", "files?path=/proc/1/mem", 500, "/proc/1/mem")]
    [InlineData("DELETE", "files?path=/tmp/x", 405, "not allowed")]
    [InlineData("GET", "files/compose", 405, "not allowed")]
    [InlineData("GET", "process.Process/List", 405, "not allowed")]
    [InlineData("POST", "process.Process/None", 404, "there is no")]
    [InlineData("POST", "init", 404, "there is no")]
    [InlineData("POST", "freeze", 404, "there is no")]
    public async Task What_cannot_be_done_is_refused_with_the_status_of_the_contract(string method, string path, int status, string words)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = method == "POST" ? new ByteArrayContent([1]) : null };
        await RefusesAsync(status, words, client.Http.SendAsync(request));
    }

    [Theory]
    [InlineData("/sys/bus/pci/rescan", 403, null, null)]
    [InlineData("/sys/bus/pci/rescan", 403, "gzip", null)]
    [InlineData("/sys/bus/pci/rescan", 403, null, "bytes=2-5")]
    [InlineData("/proc/1/mem", 500, "gzip", null)]
    public async Task A_file_that_cannot_be_read_is_refused_without_the_headers_that_describe_it(string path, int status, string? coding, string? range)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"files?path={path}");
        if (coding is not null)
            request.Headers.AcceptEncoding.ParseAdd(coding);
        if (range is not null)
            request.Headers.Range = RangeHeaderValue.Parse(range);
        using var response = await client.Http.SendAsync(request);
        Assert.Empty(response.Content.Headers.ContentEncoding);
        Assert.Equal(("application/json", null, null, null), (response.Content.Headers.ContentType!.MediaType, response.Content.Headers.ContentDisposition, response.Content.Headers.ContentRange, response.Headers.ETag));
        await RefusesAsync(status, path, Task.FromResult(response));
    }

    [Fact]
    public async Task A_file_of_roots_can_be_read_and_overwritten_and_is_the_users_then()
    {
        using var client = await EnvdClient.ShareAsync(server);
        Assert.Contains("root:", await client.Http.GetStringAsync("files?path=/etc/shadow"), StringComparison.Ordinal);
        var root = $"/srv/{Guid.NewGuid():N}";
        await PostAsync(client, $"files?path={root}/app/main.py", new StringContent("1"));
        Assert.Equal("user", (await StatAsync(client, $"{root}/app")).Owner);
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = $"chown root:root {root}/app/main.py && chmod 600 {root}/app/main.py", User = "root" });
        await PostAsync(client, $"files?path={root}/app/main.py", new StringContent("2"));
        var written = await StatAsync(client, $"{root}/app/main.py");
        Assert.Equal(("user", "user", "-rw-------"), (written.Owner, written.Group, written.Permissions));
        await client.CallAsync<RemoveResponse>("filesystem.Filesystem/Remove", new RemoveRequest { Path = root });
    }

    [Theory]
    [InlineData("p.html", "text/html; charset=utf-8", true)]
    [InlineData("p.svg", "image/svg+xml", true)]
    [InlineData("p.PNG", "image/png", false)]
    [InlineData("p.json", "application/json", false)]
    [InlineData("p.ts", "text/plain; charset=utf-8", false)]
    [InlineData("p.none-such", "application/octet-stream", false)]
    public async Task The_ending_of_a_name_says_what_a_file_is_and_pages_are_confined(string name, string type, bool confined)
    {
        using var client = await EnvdClient.ShareAsync(server);
        var path = $"{NewPath()}/{name}";
        await PostAsync(client, $"files?path={path}", new StringContent("<p>ü</p>"));
        foreach (var coding in new[] { "identity", "gzip" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"files?path={path}") { Headers = { AcceptEncoding = { new(coding) } } };
            using var response = await client.Http.SendAsync(request);
            Assert.Equal((type, "nosniff"), (response.Content.Headers.ContentType!.ToString(), response.Headers.GetValues("X-Content-Type-Options").Single()));
            Assert.Equal(confined, response.Headers.Contains("Content-Security-Policy"));
        }
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/mixed; boundary=x")]
    [InlineData("nonsense")]
    public async Task A_body_that_is_no_file_is_refused(string type)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var content = new ByteArrayContent("{}"u8.ToArray());
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        await RefusesAsync(400, $"unsupported content type: {type}", client.Http.PostAsync("files?path=/tmp/no-file", content));
        Assert.Equal(HttpStatusCode.NotFound, (await client.Http.GetAsync("files?path=/tmp/no-file")).StatusCode);
    }

    [Theory]
    [InlineData("init")]
    [InlineData("freeze")]
    [InlineData("upgrade")]
    public async Task What_only_their_own_hosts_call_is_there_for_nobody(string path)
    {
        using var client = await EnvdClient.ShareAsync(server);
        client.Http.DefaultRequestHeaders.Remove("X-Access-Token");
        await RefusesAsync(404, $"there is no /{path}", client.Http.PostAsync(path, new ByteArrayContent([])));
    }

    [Fact]
    public async Task Compressions_that_are_not_there_are_refused()
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var get = new HttpRequestMessage(HttpMethod.Get, "files?path=/etc/passwd") { Headers = { AcceptEncoding = { new("br"), new("identity", 0) } } };
        await RefusesAsync(406, "supported: [identity, gzip]", client.Http.SendAsync(get));
        using var post = new ByteArrayContent([1]) { Headers = { ContentEncoding = { "br" } } };
        await RefusesAsync(400, "unsupported Content-Encoding: br", client.Http.PostAsync("files?path=/tmp/x", post));
        using var broken = new ByteArrayContent([1, 2, 3]) { Headers = { ContentEncoding = { "gzip" } } };
        await RefusesAsync(400, "cannot be read", client.Http.PostAsync("files?path=/tmp/x", broken));
    }

    [Fact]
    public async Task A_full_disk_is_said_and_leaves_nothing()
    {
        using var client = await EnvdClient.ShareAsync(server);
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = "mkdir -p /mnt/small && mount -t tmpfs -o size=64k,mode=777 none /mnt/small", User = "root" });
        await RefusesAsync(507, "not enough disk space", client.Http.PostAsync("files?path=/mnt/small/file", new ByteArrayContent(new byte[1 << 20])));
        Assert.Empty((await client.CallAsync<ListDirResponse>("filesystem.Filesystem/ListDir", new ListDirRequest { Path = "/mnt/small" })).Entries);
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = "umount /mnt/small", User = "root" });
    }

    [Theory]
    [InlineData("json")]
    [InlineData("proto")]
    public async Task Metadata_is_kept_beside_the_content_until_the_file_is_overwritten(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var path = NewPath();
        var answer = JsonSerializer.Deserialize<JsonElement>(await PostAsync(client, $"files?path={path}", new StringContent("x"), ("X-Metadata-Author", "ada"), ("X-Metadata-b", "2 3")));
        Assert.Equal("""{"author":"ada","b":"2 3"}""", JsonSerializer.Serialize(answer[0].GetProperty("metadata").EnumerateObject().OrderBy(pair => pair.Name).ToDictionary(pair => pair.Name, pair => pair.Value)));
        Assert.Equal(new Dictionary<string, string> { ["author"] = "ada", ["b"] = "2 3" }, (await StatAsync(client, path)).Metadata.ToDictionary());
        await server.Client.ExecAsync(client.Id, new ExecRequest { Argv = ["python3", "-c", $"import os; os.setxattr('{path}', 'user.e2b.own', b'set'); os.setxattr('{path}', 'user.other', b'hidden')"] });
        Assert.Equal(["author", "b", "own"], (await StatAsync(client, path)).Metadata.Keys.Order(StringComparer.Ordinal));
        await PostAsync(client, $"files?path={path}", new StringContent("y"), ("X-Metadata-new", "1"));
        Assert.Equal(new Dictionary<string, string> { ["new"] = "1" }, (await StatAsync(client, path)).Metadata.ToDictionary());
        await PostAsync(client, $"files?path={path}", new StringContent("z"));
        Assert.Empty((await StatAsync(client, path)).Metadata);
    }

    [Fact]
    public async Task Files_are_composed_in_order_and_removed()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var root = NewPath();
        await PostAsync(client, $"files?path={root}/a", new StringContent("first "));
        await PostAsync(client, $"files?path={root}/b", new StringContent("second"));
        await RefusesAsync(400, "cannot be the same", ComposeAsync([$"{root}/a"], $"{root}/a"));
        await RefusesAsync(404, "none", ComposeAsync([$"{root}/a", $"{root}/none"], $"{root}/c"));
        await RefusesAsync(400, "not a regular file", ComposeAsync([root], $"{root}/c"));
        await RefusesAsync(400, "source_paths", ComposeAsync([], $"{root}/c"));
        await RefusesAsync(400, "a source path is required", ComposeAsync([null], $"{root}/c"));
        await RefusesAsync(400, "destination is required", ComposeAsync([$"{root}/a"], null));
        using var done = await ComposeAsync([$"{root}/a", $"{root}/b", $"{root}/a"], $"{root}/deep/c");
        Assert.Equal($$"""{"name":"c","path":"{{root}}/deep/c","type":"file"}""", await done.Content.ReadAsStringAsync());
        Assert.Equal("first secondfirst ", await client.Http.GetStringAsync($"files?path={root}/deep/c"));
        Assert.Equal(HttpStatusCode.NotFound, (await client.Http.GetAsync($"files?path={root}/a")).StatusCode);

        Task<HttpResponseMessage> ComposeAsync(string?[] sources, string? destination) =>
            client.Http.PostAsync("files/compose", new StringContent(JsonSerializer.Serialize(new Dictionary<string, object?> { ["source_paths"] = sources, ["destination"] = destination }), Encoding.UTF8, "application/json"));
    }

    [Fact]
    public async Task Metrics_and_environment_are_told()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var metrics = JsonSerializer.Deserialize<JsonElement>(await client.Http.GetStringAsync("metrics"));
        Assert.InRange(metrics.GetProperty("mem_total").GetInt64(), 64 << 20, 1L << 40);
        Assert.InRange(metrics.GetProperty("mem_used").GetInt64(), 1 << 20, metrics.GetProperty("mem_total").GetInt64());
        Assert.InRange(metrics.GetProperty("mem_cache").GetInt64(), 1 << 20, metrics.GetProperty("mem_total").GetInt64());
        Assert.InRange(metrics.GetProperty("disk_used").GetInt64(), 1 << 20, metrics.GetProperty("disk_total").GetInt64());
        var environment = JsonSerializer.Deserialize<Dictionary<string, string>>(await client.Http.GetStringAsync("envs"))!;
        Assert.Equal(("true", client.Id), (environment["E2B_SANDBOX"], environment["E2B_SANDBOX_ID"]));
    }

    private static async Task<EntryInfo> StatAsync(EnvdClient client, string path) =>
        (await client.CallAsync<StatResponse>("filesystem.Filesystem/Stat", new StatRequest { Path = path })).Entry;

    private static async Task<string> PostAsync(EnvdClient client, string address, HttpContent content, params (string Name, string Value)[] headers)
    {
        if (content is not MultipartFormDataContent)
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = content };
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        using var response = await client.Http.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        return body;
    }

    private static async Task RefusesAsync(int status, string words, Task<HttpResponseMessage> sent)
    {
        using var response = await sent;
        var error = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync());
        Assert.Equal((status, status), ((int)response.StatusCode, error.GetProperty("code").GetInt32()));
        Assert.Contains(words, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Unpack(byte[] packed)
    {
        using var bytes = new MemoryStream();
        using var gzip = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        gzip.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string NewPath() => $"/home/user/{Guid.NewGuid():N}";
}
