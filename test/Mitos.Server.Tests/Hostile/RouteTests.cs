using System.Text;
using Mitos.Contracts;
using Mitos.Server.E2B;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Hostile;

/// <summary>
/// Hostile requests to every route that the daemon has, also to one that was added since. Each is refused soon, in the words of its family,
/// as the client's fault; and nothing comes of it.
/// </summary>
public sealed class RouteTests(ServerFixture server)
{
    private const string Unknown = "nobody-has-this-name";

    // Names things that are not there, and has all fields that are needed anywhere: others are ignored.
    internal const string Body = """{"template":"nobody-has-this-name","templateID":"nobody-has-this-name","from":"nobody-has-this-name","to":"b","sandbox":"nobody-has-this-name","cmd":"true","timeout":60,"timeoutSeconds":60}""";

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    private static readonly string[] HostileParts =
    [
        Unknown, "..", "..%2f..%2fetc%2fpasswd", "%2f", "%5c..%5c", new string('x', 5000), "%00", "a%00b", "%20", "%0d%0aX:%20y", "%F0%9F%92%A3", "%ff%fe", "%25", "%252e%252e", "-1", "*", "a;b", "'%20or%201=1--", "{id}", "%E2%80%AE",
    ];

    private static readonly string[] Broken =
    [
        "{", "{\"a\":", "nope", "[]", "3", "\"x\"", "true", "{}}", "{\"a\" 1}", new string('[', 5000), "{\"a\":" + new string('[', 500), "{\"name\":\"\\ud800\"}", "{\"name\":\"\u0001\"}", "<a/>", "\u0000", "{\"name\":1e999}",
    ];

    // Whether a value of a wrong type is what is refused, not the unknown name: WrongTypeTests, BadInputTests.
    private static readonly string[] WrongValues = ["[]", "{}", "[null]", "{\"a\":{\"b\":[]}}", "1e99", "-1", "1.5", "99999999999999999999", "true", "\"\\u0000\""];

    private readonly List<string> _failures = [];
    private int _requests;

    [Fact]
    public async Task Hostile_ids_and_paths_are_the_client_s_fault_everywhere()
    {
        using var plain = new HttpClient { BaseAddress = server.Address }; // the web server's own refusals are described nowhere
        plain.DefaultRequestHeaders.Authorization = new("Bearer", server.Key);
        foreach (var route in Route.AllOf(server).Where(route => route.Parameters.Count > 0 && route.NeedsKey))
        {
            foreach (var parameter in route.Parameters)
            {
                foreach (var hostile in HostileParts)
                {
                    // what `..` resolves to may be another address, and an answer of that; a name that ends it is not looked at
                    var mayAnswer = hostile == ".." || hostile.Contains("%2f", StringComparison.Ordinal);
                    await RefusedAsync(plain, route, route.At(name => name == parameter ? hostile : Unknown, "?path=x"), Json(Body), $"{parameter} = {Shown(hostile)}", bare: hostile.Contains("%00", StringComparison.Ordinal), mayAnswer);
                }
            }
            foreach (var hostile in new[] { "path=%00", "path=" + new string('y', 5000), "path=..%2f..%2fx&path=b", "path=%ff", "limit=-1", "limit=x", "nextToken=%00", "x[]=1&&&=" })
                await RefusedAsync(server.Http, route, route.At(_ => Unknown, "?" + hostile), Json(Body), Shown(hostile));
        }
        Judge();
    }

    [Fact]
    public async Task Bodies_that_are_broken_or_of_wrong_types_are_the_client_s_fault_everywhere()
    {
        var fields = typeof(ErrorBody).Assembly.GetTypes().Concat(typeof(E2BException).Assembly.GetTypes()).Where(type => type.Name.EndsWith("Request", StringComparison.Ordinal) || type.Name == "NewSandbox")
            .SelectMany(type => type.GetProperties()).Where(property => property.Name != "EqualityContract").Select(property => char.ToLowerInvariant(property.Name[0]) + property.Name[1..]).Distinct().ToList();
        Assert.Contains("templateID", fields);
        var before = await CountAsync();
        foreach (var route in Route.AllOf(server).Where(route => route.TakesBody && route.NeedsKey))
        {
            var address = route.At(_ => Unknown);
            foreach (var broken in Broken)
                await RefusedAsync(server.Http, route, address, Json(broken), $"body {Shown(broken)}");
            await RefusedAsync(server.Http, route, address, new ByteArrayContent([0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A]) { Headers = { ContentType = new("application/json") } }, "a body that is no UTF-8");
            await RefusedAsync(server.Http, route, address, new StringContent(Body, Encoding.UTF8, "text/plain"), "a body of text");
            foreach (var field in fields)
            {
                foreach (var wrong in WrongValues)
                    await RefusedAsync(server.Http, route, address, Json($"{Body[..^1]},\"{field}\":{wrong}}}"), $"{field} = {wrong}");
            }
        }
        Judge();
        Assert.Equal(before, await CountAsync());
    }

    [Fact]
    public async Task Fields_that_nobody_knows_change_no_answer()
    {
        foreach (var route in Route.AllOf(server).Where(route => route.TakesBody && route.NeedsKey))
        {
            var answers = new List<string>();
            foreach (var body in new[] { Body, Body[..^1] + ",\"futureField\":{\"a\":[1,null,\"x\"]},\"another-one\":null}" })
            {
                using var request = new HttpRequestMessage(new HttpMethod(route.Method), route.At(_ => Unknown)) { Content = Json(body) };
                using var response = await server.Http.SendAsync(request, ServerFixture.Soon);
                answers.Add($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
            }
            if (answers[0] != answers[1])
                _failures.Add($"{route}: {answers[0]}, and {answers[1]}");
            _requests++;
        }
        Judge();
    }

    [Fact]
    public async Task Bodies_that_are_too_large_are_refused_everywhere()
    {
        var large = new byte[(32 << 20) + 1];
        "{\"name\":\""u8.CopyTo(large);
        large.AsSpan(9).Fill((byte)'x');
        foreach (var route in Route.AllOf(server).Where(route => route.TakesBody && route.NeedsKey && !route.Pattern.Contains("/files", StringComparison.Ordinal)))
        {
            var content = new ByteArrayContent(large) { Headers = { ContentType = new("application/json") } };
            await RefusedAsync(server.Http, route, route.At(_ => Unknown), content, "a body that is too large", expectContinue: true);
        }
        Judge();
    }

    [Fact]
    public async Task Without_a_key_that_is_valid_nothing_is_served_anywhere()
    {
        var revoked = await server.Http.PostJsonAsync("v1/keys", """{"name":"revoked"}""").ReadAsync<KeyBody>();
        await server.Http.DeleteAsync($"v1/keys/{revoked.Id}").DoneAsync();
        (string Name, string Value)[] keys =
        [
            ("X-None", "x"), ("Authorization", "Bearer"), ("Authorization", "Bearer  "), ("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(server.Key))), ("Authorization", server.Key),
            ("Authorization", "Bearer " + server.Key[..^1]), ("X-API-Key", new string('k', 5000)), ("X-API-Key", "e2b_"), ("X-API-Key", "mitos_' or 1=1--"), ("X-API-Key", "mitos_" + new string('0', 40)),
            ("X-API-Key", revoked.Key!), ("Authorization", $"Bearer {revoked.Key}"), ("X-API-Key", "mitos_" + revoked.Key!["e2b_".Length..]),
        ];
        foreach (var route in Route.AllOf(server).Where(route => route.NeedsKey))
        {
            foreach (var (name, value) in keys)
            {
                using var stranger = new HttpClient { BaseAddress = server.Address };
                stranger.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
                await RefusedAsync(stranger, route, route.At(_ => Unknown), route.TakesBody ? Json(Body) : null, $"{name}: {Shown(value)}", only: 401);
            }
        }
        Judge();
    }

    [Fact]
    public async Task A_key_that_expired_is_told_so_everywhere_and_nothing_is_served()
    {
        var key = await ExpiredKey.MakeAsync(server);
        foreach (var route in Route.AllOf(server).Where(route => route.NeedsKey))
        {
            foreach (var (name, value) in new[] { ("Authorization", $"Bearer {key.Key}"), ("X-API-Key", key.Key!), ("X-API-Key", "mitos_" + key.Key!["e2b_".Length..]) })
            {
                using var late = new HttpClient { BaseAddress = server.Address };
                late.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
                await RefusedAsync(late, route, route.At(_ => Unknown), route.TakesBody ? Json(Body) : null, $"{name}, expired", only: 401, says: [key.Name, $" expired at {key.ExpiresAt!.Value.UtcDateTime:O}", "mitos keys create"]);
            }
        }
        Judge();
        using var open = server.Connect(key.Key);
        foreach (var address in new[] { "health", "openapi/v1.json" })
            await open.GetAsync(address).ReadAsync(); // what needs no key
        await server.Http.DeleteAsync($"v1/keys/{key.Id}").DoneAsync();
    }

    [Fact]
    public async Task What_is_another_team_s_is_found_nowhere()
    {
        await server.EnsureBaseAsync();
        using var owner = await TestTeam.MakeAsync(server);
        using var other = await TestTeam.MakeAsync(server);
        var id = await owner.CreateAsync();
        var snapshot = await owner.Http.PostJsonAsync($"v1/sandboxes/{id}/snapshots", """{"name":"foreign"}""").ReadAsync<SnapshotBody>();
        var routes = Route.AllOf(server).Where(route => route.Parameters.Count > 0 && route.NeedsKey).ToList();
        foreach (var route in routes)
        {
            foreach (var foreign in new[] { id, snapshot.Id, "foreign", owner.Key.Id })
            {
                if (foreign == id && route.Pattern.EndsWith("/stream", StringComparison.Ordinal))
                    continue; // refusals of streams come in a message: StreamTests
                HttpContent body = route.Pattern.EndsWith("/files", StringComparison.Ordinal) ? new ByteArrayContent([1]) : Json($"{Body[..^1]},\"name\":\"x\"}}");
                await RefusedAsync(other.Http, route, route.At(name => name == route.Parameters[0] ? foreign : "1", "?path=/etc/hosts"), body, $"{route.Parameters[0]} = {foreign}", only: route.Pattern.EndsWith("/stream", StringComparison.Ordinal) ? 400 : 404);
            }
        }
        Judge();
        Assert.Equal(["created", "snapshotted"], await owner.EventsAsync(id));
        Assert.Equal("running", (await owner.Http.GetAsync($"v1/sandboxes/{id}").ReadAsync<SandboxBody>()).State);
        await owner.Http.DeleteAsync($"v1/snapshots/{snapshot.Id}").DoneAsync();
        await owner.Http.DeleteAsync($"v1/sandboxes/{id}").DoneAsync();
    }

    private static StringContent Json(string text) => HttpRequests.Json(text);

    private static string Shown(string text) => text.Length <= 60 ? text : text[..60] + "…";

    private async Task<(int Keys, int Sandboxes, int Snapshots, int Templates, int Teams)> CountAsync()
    {
        using var local = server.ConnectLocal();
        return (
            (await local.GetAsync("v1/keys").ReadAsync<List<KeyBody>>()).Count, (await local.GetAsync("v1/sandboxes").ReadAsync<List<SandboxBody>>()).Count,
            (await local.GetAsync("v1/snapshots").ReadAsync<List<SnapshotBody>>()).Count, (await local.GetAsync("v1/templates").ReadAsync<List<TemplateBody>>()).Count,
            (await local.GetAsync("v1/teams").ReadAsync<List<TeamBody>>()).Count);
    }

    private void Judge() => Assert.True(_failures.Count == 0 && _requests > 10, $"{_failures.Count} of {_requests} requests:\n" + string.Join('\n', _failures.Take(100)));

    /// <param name="http">Whose request it is.</param>
    /// <param name="route">The route.</param>
    /// <param name="address">As it is to be sent.</param>
    /// <param name="body">Sent where the route takes one.</param>
    /// <param name="what">What is hostile.</param>
    /// <param name="bare">Whether the web server may refuse it before our code sees it: by a status alone.</param>
    /// <param name="mayAnswer">Whether a GET may be answered.</param>
    /// <param name="only">The one status that is right; 0: any that says it is the client's fault.</param>
    /// <param name="says">What the answer has.</param>
    /// <param name="expectContinue">Whether the body waits until it is asked for.</param>
    private async Task RefusedAsync(HttpClient http, Route route, string address, HttpContent? body, string what, bool bare = false, bool mayAnswer = false, int only = 0, bool expectContinue = false, string[]? says = null)
    {
        _requests++;
        // as it is written: else the client would resolve `..` itself
        var uri = new Uri(server.Address + address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(new HttpMethod(route.Method), uri) { Content = route.TakesBody ? body : null };
        request.Headers.ExpectContinue = expectContinue ? true : null;
        try
        {
            using var limit = new CancellationTokenSource(Soon);
            using var response = await http.SendAsync(request, limit.Token);
            var text = await response.Content.ReadAsStringAsync(limit.Token);
            var status = (int)response.StatusCode;
            var isRight = only > 0 ? status == only : status is >= 400 and < 500 || (mayAnswer && route.Method == "GET" && status == 200);
            if (!isRight)
                _failures.Add($"{route}, {what}: {status} {Shown(text)}");
            else if (status >= 400 && !(bare && text.Length == 0) && route.Check(status, text) is { } problem && !mayAnswer)
                _failures.Add($"{route}, {what}: {problem}");
            else if (says?.FirstOrDefault(part => !text.Contains(part, StringComparison.Ordinal)) is { } part)
                _failures.Add($"{route}, {what}: it does not say {part}: {text}");
        }
        catch (OperationCanceledException)
        {
            _failures.Add($"{route}, {what}: no answer");
        }
        catch (Exception e) when (e is HttpRequestException or Xunit.Sdk.XunitException)
        {
            _failures.Add($"{route}, {what}: {e.Message}");
        }
    }
}
