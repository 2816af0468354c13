using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

/// <summary>Hostile input to every described route. Each is refused with a whole error body, and nothing changes by it.</summary>
public sealed class BadInputTests(ServerFixture server)
{
    private const string Unknown = "nobody-has-this-name";

    // What the handler itself would take, so that only the hostile part can be refused.
    private static readonly Dictionary<string, string> Bodies = new()
    {
        ["createSandbox"] = """{"template":"nobody-has-this-name"}""",
        ["forkSandbox"] = "{}",
        ["exec"] = """{"argv":["true"]}""",
        ["signalProcess"] = "{}",
        ["moveFile"] = """{"from":"a","to":"b"}""",
        ["buildTemplate"] = """{"name":"x","from":"nobody-has-this-name"}""",
        ["createKey"] = """{"name":"x"}""",
        ["setTimeout"] = """{"timeoutSeconds":60}""",
        ["createTeam"] = """{"name":"x"}""",
    };

    private static readonly string[] HostilePathParts =
    [
        Unknown, "..%2f..%2fetc%2fpasswd", "%2f", new string('x', 5000), "%20", "%F0%9F%92%A3", "%ff%fe", "-1", "*", "a;b", "%25", "'%20or%201=1--", "%0d%0aX:%20y",
    ];

    private readonly List<string> _failures = [];
    private int _requests;

    [Fact]
    public Task Hostile_ids_and_names_are_refused_on_every_route_that_has_one() => AllAsync(async operation =>
    {
        foreach (var parameter in operation.Parameters.Where(parameter => parameter.GetProperty("in").GetString() == "path").Select(parameter => parameter.GetProperty("name").GetString()!))
        {
            // what they resolve to may be another address, and an answer of that
            foreach (var dots in new[] { "..", ".", "%2e%2e" })
                await ExpectAsync(operation, operation.At(name => name == parameter ? dots : Unknown, "?path=x"), BodyOf(operation), $"{parameter} = {dots}", operation.Method == "GET" ? [200, 400, 404] : [400, 404, 405]);
            foreach (var hostile in HostilePathParts)
                await ExpectAsync(operation, operation.At(name => name == parameter ? hostile : Unknown, "?path=x"), BodyOf(operation), $"{parameter} = {Shown(hostile)}", 400, 404, 405);
        }
    });

    [Fact]
    public Task Queries_of_a_wrong_type_or_missing_are_refused_on_every_route_that_has_one() => AllAsync(async operation =>
    {
        foreach (var parameter in operation.Parameters.Where(parameter => parameter.GetProperty("in").GetString() == "query"))
        {
            var name = parameter.GetProperty("name").GetString()!;
            var type = server.Api.Schemas.TypesOf(parameter.GetProperty("schema"))[0];
            var query = name == "path" ? "" : "&path=x";
            foreach (var wrong in type switch { "integer" => ["abc", "1.5", "99999999999999999999", "0x10", "-1"], "boolean" => ["2", "yes", "null"], _ => Array.Empty<string>() })
                await ExpectAsync(operation, operation.At(_ => Unknown, $"?{name}={wrong}{query}"), BodyOf(operation), $"{name} = {wrong}", operation.Id is "getSandbox" ? 404 : 400);
            if (parameter.TryGetProperty("required", out var required) && required.GetBoolean())
                await ExpectAsync(operation, operation.At(_ => Unknown, $"?other=1"), BodyOf(operation), $"{name} is missing", 400);
        }
    });

    [Fact]
    public Task Bodies_that_are_not_the_expected_JSON_are_refused_on_every_route_that_takes_one() => AllAsync(async operation =>
    {
        if (operation.BodySchema is null)
            return;
        var address = operation.At(_ => Unknown);
        string[] texts = ["{", "{\"a\":", "nope", "[]", "3", "\"x\"", "{}}", "{\"a\" 1}", new string('[', 2000), "{\"name\":\"\u0001\"}", "<a/>"];
        foreach (var text in operation.BodyIsRequired ? [.. texts, "", "null"] : texts)
            await ExpectAsync(operation, address, HttpRequests.Json(text), $"body {Shown(text)}", 400);
        var binary = new ByteArrayContent([0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        await ExpectAsync(operation, address, binary, "a body that is no UTF-8", 400);
        await ExpectAsync(operation, address, new StringContent("{}", Encoding.UTF8, "text/plain"), "a body of text", 415);
    });

    [Fact]
    public Task Fields_of_a_wrong_type_are_refused_in_every_body() => AllAsync(async operation =>
    {
        if (operation.BodySchema is not { } schema)
            return;
        var resolved = server.Api.Schemas.Resolve(schema.TryGetProperty("oneOf", out var options) ? options.EnumerateArray().Last() : schema);
        foreach (var property in resolved.GetProperty("properties").EnumerateObject())
        {
            foreach (var wrong in WrongValues(property.Value))
                await ExpectAsync(operation, operation.At(_ => Unknown), HttpRequests.Json($"{{\"{property.Name}\":{wrong}}}"), $"{property.Name} = {wrong}", 400);
        }
    });

    [Fact]
    public Task A_body_that_is_too_large_is_refused_before_it_is_sent() => AllAsync(async operation =>
    {
        if (operation.BodySchema is null)
            return;
        var length = operation.Id == "buildTemplate" ? (1L << 30) + 1 : (32 << 20) + 1;
        using var request = new HttpRequestMessage(new HttpMethod(operation.Method), operation.At(_ => Unknown)) { Content = new UnsentContent(length) };
        request.Headers.ExpectContinue = true;
        var error = await server.Http.SendAsync(request).RefusedAsync(413);
        Assert.Equal(ErrorCodes.Exhausted, error.Code);
        Assert.Contains("files", error.Remedy, StringComparison.Ordinal);
        _requests++;
    });

    [Fact]
    public async Task A_body_of_unknown_length_that_grows_too_large_is_refused()
    {
        // Not by much: of a body that goes on and on the connection is closed, and the answer may be lost with it.
        var text = Encoding.UTF8.GetBytes("{\"name\":\"" + new string('x', 32 << 20) + "\"}");
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/keys") { Content = new ByteArrayContent(text) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } } };
        request.Headers.TransferEncodingChunked = true;
        Assert.Equal(ErrorCodes.Exhausted, (await server.Http.SendAsync(request).RefusedAsync(413)).Code);
    }

    // The web server refuses these before they reach the API: by a status alone, and a closed connection.
    [Theory]
    [InlineData("GET v1/sandboxes/a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400)]
    [InlineData("GET v1/sandboxes HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400)]
    [InlineData("POST v1/keys HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400)]
    [InlineData("GET v1/sandboxes HTTP/9.9\r\n\r\n", 505)]
    [InlineData("nonsense\r\n\r\n", 400)]
    public async Task What_is_no_HTTP_is_refused_and_the_server_goes_on(string request, int status)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(server.Address.Host, server.Address.Port);
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request.Replace(" v1", " /v1", StringComparison.Ordinal)));
        var answer = await new StreamReader(connection.GetStream()).ReadToEndAsync(ServerFixture.Soon);
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        await server.Http.GetAsync("health").ReadAsync();
    }

    private async Task AllAsync(Func<ApiOperation, Task> check)
    {
        var (keys, sandboxes, templates) = await CountAsync();
        foreach (var operation in server.Api.Operations)
            await check(operation);
        Assert.True(_failures.Count == 0, $"{_failures.Count} of {_requests} requests:\n" + string.Join('\n', _failures));
        Assert.True(_requests >= 7, $"only {_requests} requests were made");
        Assert.Equal((keys, sandboxes, templates), await CountAsync());
    }

    private async Task<(int Keys, int Sandboxes, int Templates)> CountAsync() => (
        (await server.Http.GetAsync("v1/keys").ReadAsync<List<KeyBody>>()).Count,
        (await server.Http.GetAsync("v1/sandboxes").ReadAsync<List<SandboxBody>>()).Count,
        (await server.Http.GetAsync("v1/templates").ReadAsync<List<TemplateBody>>()).Count);

    private async Task ExpectAsync(ApiOperation operation, string address, HttpContent? body, string what, params int[] expected)
    {
        _requests++;
        // as it is written: else the client would resolve `..` itself
        var uri = new Uri(server.Address + address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(new HttpMethod(operation.Method), uri) { Content = body };
        try
        {
            using var response = await server.Http.SendAsync(request, ServerFixture.Soon);
            var text = await response.Content.ReadAsStringAsync();
            if (!expected.Contains((int)response.StatusCode))
                _failures.Add($"{operation}, {what}: {(int)response.StatusCode} {Shown(text)}");
            else if (!response.IsSuccessStatusCode && Hostile.Route.NamesType(HttpRequests.ReadError(text).Message))
                _failures.Add($"{operation}, {what}: it names a type: {text}");
        }
        catch (Exception e) when (e is JsonException or Xunit.Sdk.XunitException or HttpRequestException)
        {
            _failures.Add($"{operation}, {what}: {e.Message}");
        }
    }

    private static HttpContent? BodyOf(ApiOperation operation) =>
        operation.Id == "writeFile" ? new ByteArrayContent([1]) : operation.BodySchema is null ? null : HttpRequests.Json(Bodies.GetValueOrDefault(operation.Id, "{}"));

    private IEnumerable<string> WrongValues(JsonElement schema) => server.Api.Schemas.TypesOf(schema).First(type => type != "null") switch
    {
        "string" => ["3", "{}", "[]", "true"],
        "integer" => ["\"3\"", "1.5", "1e99", "true", "{}", "99999999999"],
        "boolean" => ["\"true\"", "1", "[]"],
        "array" => ["{}", "\"x\"", "[[]]", "3"],
        "object" => ["[]", "\"x\"", "3"],
        var other => throw new InvalidOperationException($"no wrong values are known for {other}"),
    };

    private static string Shown(string text) => text.Length <= 60 ? text : text[..60] + "…";

    /// <summary>Says that it is long, and fails when it is asked for.</summary>
    private sealed class UnsentContent : HttpContent
    {
        private readonly long _length;

        public UnsentContent(long length)
        {
            _length = length;
            Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) => throw new InvalidOperationException("the server asked for the body");

        protected override bool TryComputeLength(out long length)
        {
            length = _length;
            return true;
        }
    }
}
