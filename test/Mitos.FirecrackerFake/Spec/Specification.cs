using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace Mitos.FirecrackerFake.Spec;

/// <summary>Firecracker's own description of its API (firecracker.yaml): which requests there are, and what their bodies must be.</summary>
internal sealed class Specification
{
    private readonly YamlMappingNode _definitions;
    private readonly List<Operation> _operations = [];

    public Specification(TextReader yaml)
    {
        var stream = new YamlStream();
        stream.Load(yaml);
        var root = (YamlMappingNode)stream.Documents[0].RootNode;
        _definitions = Map(root, "definitions")!;
        foreach (var (path, methods) in Map(root, "paths")!.Children)
        {
            foreach (var (method, operation) in ((YamlMappingNode)methods).Children)
                _operations.Add(ReadOperation(Text(method).ToUpperInvariant(), Text(path), (YamlMappingNode)operation));
        }
    }

    public IReadOnlyList<Operation> Operations => _operations;

    /// <summary>The one that the project ships.</summary>
    public static Specification Load()
    {
        using var file = typeof(Specification).Assembly.GetManifestResourceStream("firecracker.yaml")!;
        using var reader = new StreamReader(file);
        return new Specification(reader);
    }

    /// <summary>A named definition.</summary>
    public Schema Definition(string name) => ReadSchema(Map(_definitions, name) ?? throw new ArgumentException($"The specification has no definition '{name}'.", nameof(name)));

    /// <summary>The operation of a request, with the id that its path has; null when there is none.</summary>
    public (Operation Operation, string? Id)? Find(string method, string path)
    {
        foreach (var operation in _operations)
        {
            if (operation.Method == method && operation.Matches(path, out var id))
                return (operation, id);
        }
        return null;
    }

    private Operation ReadOperation(string method, string path, YamlMappingNode node)
    {
        var parameters = node.Children.TryGetValue("parameters", out var list) ? ((YamlSequenceNode)list).Cast<YamlMappingNode>() : [];
        var body = parameters.FirstOrDefault(parameter => Text(parameter.Children["in"]) == "body");
        return new Operation(method, path, body is null ? null : ReadSchema(Map(body, "schema")!));
    }

    private Schema ReadSchema(YamlMappingNode node)
    {
        if (node.Children.TryGetValue("$ref", out var reference))
            return ReadSchema(Map(_definitions, Text(reference)["#/definitions/".Length..])!);
        var any = node.Children.TryGetValue("additionalProperties", out var additional);
        return new Schema
        {
            Type = node.Children.TryGetValue("type", out var type) ? Text(type) : "object",
            Properties = Map(node, "properties")?.Children.ToDictionary(property => Text(property.Key), property => ReadSchema((YamlMappingNode)property.Value)) ?? [],
            Required = Texts(node, "required"),
            Enum = Texts(node, "enum"),
            Items = Map(node, "items") is { } items ? ReadSchema(items) : null,
            AnyFields = any && (additional is YamlMappingNode || Text(additional!) == "true"),
            Values = additional is YamlMappingNode values ? ReadSchema(values) : null,
            Minimum = Number(node, "minimum"),
            Maximum = Number(node, "maximum"),
        };
    }

    private static YamlMappingNode? Map(YamlMappingNode node, string key) => node.Children.TryGetValue(key, out var value) ? (YamlMappingNode)value : null;

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static List<string> Texts(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(key, out var value) ? ((YamlSequenceNode)value).Select(Text).ToList() : [];

    private static decimal? Number(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(key, out var value) ? decimal.Parse(Text(value), CultureInfo.InvariantCulture) : null;
}

/// <summary>One request that the API knows.</summary>
/// <param name="Method">In capitals.</param>
/// <param name="Path">As the specification has it, with <c>{id}</c> for a name.</param>
/// <param name="Body">What the body must be; null where there is none.</param>
internal sealed record Operation(string Method, string Path, Schema? Body)
{
    public string Name => $"{Method} {Path}";

    public bool Matches(string path, out string? id)
    {
        id = null;
        var (wanted, got) = (Path.Split('/'), path.Split('/'));
        if (wanted.Length != got.Length)
            return false;
        for (var i = 0; i < wanted.Length; i++)
        {
            if (wanted[i].StartsWith('{'))
                id = got[i];
            else if (wanted[i] != got[i])
                return false;
        }
        return true;
    }
}
