using YamlDotNet.RepresentationModel;

namespace Mitos.Server.Tests.Hostile;

/// <summary>E2B's own description of its control plane: which fields the bodies of requests have, and of which types.</summary>
internal sealed class E2BDescription
{
    private readonly YamlMappingNode _root;

    private E2BDescription(YamlMappingNode root) => _root = root;

    public static E2BDescription Load()
    {
        using var file = File.OpenText(Path.Combine(Checkout.Root, "test", "E2B.Sdk", "spec", "e2b-openapi.yml"));
        var stream = new YamlStream();
        stream.Load(file);
        return new E2BDescription((YamlMappingNode)stream.Documents[0].RootNode);
    }

    /// <summary>The JSON body of a route, whatever it calls the parameters of its path; null: it has none. What only newer clients ask for is described by its older address.</summary>
    public YamlMappingNode? Body(string method, string pattern)
    {
        var shape = Shape(pattern);
        var body = Map(_root, "paths")!.Children.Where(path => Shape(path.Key.ToString()) == shape).Select(path => Map(Map(Map(Map(Map((YamlMappingNode)path.Value, method.ToLowerInvariant()), "requestBody"), "content"), "application/json"), "schema"))
            .OfType<YamlMappingNode>().Select(Resolve).FirstOrDefault();
        return body is null && shape.StartsWith("/v2/", StringComparison.Ordinal) ? Body(method, shape["/v2".Length..]) : body;
    }

    /// <summary>Values that a schema rules out by their types alone, each with the name of the field that is wrong in it: the deepest one that has a name.</summary>
    public IEnumerable<(string Field, string Json)> WrongValues(string field, YamlMappingNode schema)
    {
        schema = Resolve(schema);
        var type = Text(schema, "type");
        foreach (var wrong in type switch
        {
            "boolean" => ["0", "1", "\"true\"", "\"false\"", "[]", "{}"],
            "integer" => ["true", "\"60\"", "1.5", "1e99", "99999999999999999999", "[]", "{}"],
            "string" => ["true", "7", "[]", "[\"a\"]", "{}"],
            "array" => ["true", "7", "\"x\"", "{}", "{\"a\":[]}"],
            "object" => ["true", "7", "\"x\"", "[]", "[{}]"],
            _ => Array.Empty<string>(), // it may be anything
        })
        {
            yield return (field, wrong);
        }
        if (Map(schema, "items") is { } items)
        {
            foreach (var (_, wrong) in WrongValues(field, items))
                yield return (field, $"[{wrong}]");
        }
        foreach (var (name, inner) in Fields(schema))
        {
            foreach (var (at, wrong) in WrongValues(name, inner))
                yield return (at, $"{{\"{name}\":{wrong}}}");
        }
        if (Map(schema, "additionalProperties") is { } others)
        {
            foreach (var (at, wrong) in WrongValues(field, others))
                yield return (at, $"{{\"example.com\":{wrong}}}");
        }
    }

    public IEnumerable<(string Name, YamlMappingNode Schema)> Fields(YamlMappingNode schema) =>
        Map(Resolve(schema), "properties")?.Children.Select(field => (field.Key.ToString(), (YamlMappingNode)field.Value)) ?? [];

    private YamlMappingNode Resolve(YamlMappingNode schema) => Text(schema, "$ref") is { } reference
        ? Resolve(reference.TrimStart('#', '/').Split('/').Aggregate(_root, (node, name) => Map(node, name)!))
        : schema.Children.TryGetValue("allOf", out var parts) ? Resolve((YamlMappingNode)((YamlSequenceNode)parts)[0]) : schema;

    private static string Shape(string pattern) => System.Text.RegularExpressions.Regex.Replace("/" + pattern.Trim('/'), @"\{[^}]*\}", "{}");

    private static YamlMappingNode? Map(YamlMappingNode? node, string name) => node is not null && node.Children.TryGetValue(name, out var value) ? value as YamlMappingNode : null;

    private static string? Text(YamlMappingNode node, string name) => node.Children.TryGetValue(name, out var value) ? (value as YamlScalarNode)?.Value : null;
}
