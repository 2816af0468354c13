using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Mitos.Server.E2B;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Hostile;

/// <summary>A route that the daemon has, whoever described it: read from the list that it routes by.</summary>
internal sealed record Route(string Method, string Pattern, IReadOnlyList<string> Parameters, bool IsE2B)
{
    // The description of the API, and what the daemon says of itself: there is no more than a file behind.
    private static readonly string[] Open = ["/health", "/openapi", "/scalar"];

    public bool NeedsKey => !Array.Exists(Open, open => Pattern.StartsWith(open, StringComparison.Ordinal));

    public bool TakesBody => Method is "POST" or "PUT" or "PATCH";

    /// <summary>Of all, in the order of their addresses.</summary>
    public static List<Route> AllOf(ServerFixture server)
    {
        var routes = server.App.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).Concat(((IEndpointRouteBuilder)server.App).DataSources.SelectMany(source => source.Endpoints))
            .OfType<RouteEndpoint>().Distinct().SelectMany(endpoint => (endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(method => Of(endpoint, method))).Distinct(new ByAddress())
            .OrderBy(route => route.Pattern, StringComparer.Ordinal).ThenBy(route => route.Method, StringComparer.Ordinal).ToList();
        Assert.InRange(routes.Count, 70, 500);
        return routes;
    }

    /// <summary>An address of it, as it is to be sent.</summary>
    public string At(Func<string, string> parameter, string query = "")
    {
        var path = Pattern.Trim('/');
        foreach (var name in Parameters)
            path = System.Text.RegularExpressions.Regex.Replace(path, $@"\{{\*{{0,2}}{name}[^}}]*\}}", _ => parameter(name));
        return path + query;
    }

    /// <summary>What is wrong with a refusal; null: nothing. Every one says its code, in its family's form.</summary>
    public string? Check(int status, string text)
    {
        if (NamesType(text))
            return $"{status} names a type of .NET's or ours: {text}";
        try
        {
            var body = JsonDocument.Parse(text).RootElement;
            if (!IsE2B)
                HttpRequests.ReadError(text);
            else if (!body.EnumerateObject().Select(field => field.Name).SequenceEqual(["code", "message"]) || body.GetProperty("code").GetInt32() != status || string.IsNullOrWhiteSpace(body.GetProperty("message").GetString()))
                return $"{status} is no error body of E2B's: {text}";
            return null;
        }
        catch (Exception e) when (e is JsonException or Xunit.Sdk.XunitException or InvalidOperationException)
        {
            return $"{status} has no error body: {(text.Length <= 200 ? text : text[..200])}";
        }
    }

    /// <summary>Whether words that a client gets have names of types in them, which mean nothing to him.</summary>
    public static bool NamesType(string text) => System.Text.RegularExpressions.Regex.IsMatch(text, @"System\.|Mitos\.|Google\.|Nullable|Int32|BytePositionInLine|parameter ""[^""]* ");

    public override string ToString() => $"{Method} {Pattern}";

    private static Route Of(RouteEndpoint endpoint, string method)
    {
        var pattern = "/" + endpoint.RoutePattern.RawText!.Trim('/');
        return new Route(method, pattern, endpoint.RoutePattern.Parameters.Select(parameter => parameter.Name).ToList(), E2BErrors.Covers(pattern));
    }

    private sealed class ByAddress : IEqualityComparer<Route>
    {
        public bool Equals(Route? x, Route? y) => x!.ToString() == y!.ToString();

        public int GetHashCode(Route route) => route.ToString().GetHashCode(StringComparison.Ordinal);
    }
}
