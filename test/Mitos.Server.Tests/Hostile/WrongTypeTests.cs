using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Hostile;

/// <summary>Each field that E2B describes, of a wrong type in a request that is right otherwise: it is refused by name, and nothing comes of it.</summary>
public sealed class WrongTypeTests(ServerFixture server)
{
    private readonly List<string> _failures = [];
    private int _requests;

    [Fact]
    public async Task A_field_of_a_wrong_type_is_refused_by_its_name_on_every_route_of_E2B()
    {
        var sandbox = await server.ShareAsync();
        var description = E2BDescription.Load();
        var before = server.Engine.Sandboxes.List().Select(info => (info.Id, info.State)).ToList();
        var routes = Route.AllOf(server).Where(route => route.IsE2B && route.TakesBody && route.Pattern != "/access-tokens" && description.Body(route.Method, route.Pattern) is not null).ToList();
        Assert.Contains(routes, route => route.Pattern == "/v2/sandboxes");
        foreach (var route in routes)
        {
            var address = route.At(_ => route.Pattern.Contains("/sandboxes/", StringComparison.Ordinal) ? sandbox : "base");
            foreach (var (name, schema) in description.Fields(description.Body(route.Method, route.Pattern)!))
            {
                foreach (var (field, wrong) in description.WrongValues(name, schema))
                    await RefusedAsync(route, address, Valid(route, name, wrong), field);
            }
        }
        Assert.True(_failures.Count == 0 && _requests > 300, $"{_failures.Count} of {_requests} requests:\n" + string.Join('\n', _failures.Take(100)));
        Assert.Equal(before, server.Engine.Sandboxes.List().Select(info => (info.Id, info.State)));
    }

    // All that such a request needs, unless it is the field that is wrong.
    private static string Valid(Route route, string name, string wrong)
    {
        (string Name, string Value)[] needed = route.Pattern switch
        {
            "/sandboxes" or "/v2/sandboxes" => [("templateID", "\"base\"")],
            var pattern when pattern.EndsWith("/timeout", StringComparison.Ordinal) || pattern.EndsWith("/connect", StringComparison.Ordinal) => [("timeout", "60")],
            _ => [],
        };
        return "{" + string.Join(',', needed.Where(field => field.Name != name).Select(field => $"\"{field.Name}\":{field.Value}").Append($"\"{name}\":{wrong}")) + "}";
    }

    private async Task RefusedAsync(Route route, string address, string body, string field)
    {
        _requests++;
        using var request = new HttpRequestMessage(new HttpMethod(route.Method), address) { Content = HttpRequests.Json(body) };
        using var response = await server.Http.SendAsync(request, ServerFixture.Soon);
        var (status, text) = ((int)response.StatusCode, await response.Content.ReadAsStringAsync(ServerFixture.Soon));
        if (status != 400 || !text.Contains(field, StringComparison.Ordinal))
            _failures.Add($"{route}, {field} in {body}: {status} {text}");
        else if (route.Check(status, text) is { } problem)
            _failures.Add($"{route}, {field} in {body}: {problem}");
    }
}
