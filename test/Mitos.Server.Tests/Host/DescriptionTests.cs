using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Mitos.Server.Tests.Host;

public sealed class DescriptionTests(ServerFixture server)
{
    [Fact]
    public void Every_mapped_route_is_described_and_nothing_else_is()
    {
        string[] own = ["/openapi/", "/scalar"]; // the description itself, and its page
        var mapped = server.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<IExcludeFromDescriptionMetadata>() is not { ExcludeFromDescription: true }) // E2B's, described by E2B
            .Where(endpoint => !own.Any(prefix => ("/" + endpoint.RoutePattern.RawText!.TrimStart('/')).StartsWith(prefix, StringComparison.Ordinal)))
            .SelectMany(endpoint => (endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["(any)"]).Select(method => $"{method} /{endpoint.RoutePattern.RawText!.Trim('/')}"))
            .Order().ToList();
        Assert.Equal(mapped, server.Api.Operations.Select(operation => operation.ToString()).Order());
        Assert.True(mapped.Count >= 29, $"only {mapped.Count} routes");
    }

    [Fact]
    public void The_document_of_the_API_lists_the_same_addresses()
    {
        var table = File.ReadLines(Path.Combine(Checkout.Root, "docs", "api.md")).SkipWhile(line => !line.StartsWith("| what |", StringComparison.Ordinal)).TakeWhile(line => line.StartsWith('|'));
        var listed = new List<string>();
        foreach (Match address in Regex.Matches(string.Join('\n', table), "((?:`?[A-Z]+`? )+)`?(/[^` ]+)`"))
            listed.AddRange(address.Groups[1].Value.Split([' ', '`'], StringSplitOptions.RemoveEmptyEntries).Select(method => $"{method} {address.Groups[2].Value}"));
        Assert.Equal(server.Api.Operations.Select(operation => operation.ToString()).Order(), listed.Order());
    }

    [Fact]
    public void Its_examples_have_ids_as_the_server_makes_them()
    {
        var ids = Regex.Matches(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "api.md")), @"""(?:source|forkedFrom|parent)"":""(\w+)""|""id"":""(i\w+)""").Select(match => match.Groups[1].Value + match.Groups[2].Value).ToList();
        Assert.True(ids.Count >= 6, $"only {ids.Count} ids");
        Assert.All(ids, id => Assert.True(Engine.Sandboxes.SandboxId.TryParse(id, out _), id));
    }

    [Fact]
    public void Every_operation_has_a_name_a_summary_described_parameters_and_an_error_body()
    {
        Assert.Distinct(server.Api.Operations.Select(operation => operation.Id));
        Assert.All(server.Api.Operations, operation =>
        {
            Assert.False(string.IsNullOrEmpty(operation.Json.GetProperty("summary").GetString()));
            Assert.All(operation.Parameters.Where(parameter => operation.Id != "deleteKey"), parameter => Assert.False(string.IsNullOrEmpty(parameter.GetProperty("description").GetString()), $"{operation}: {parameter}"));
            var fallback = operation.Json.GetProperty("responses").GetProperty("default").GetProperty("content").GetProperty("application/json").GetProperty("schema");
            Assert.EndsWith("/ErrorBody", fallback.GetProperty("$ref").GetString(), StringComparison.Ordinal);
        });
    }
}
