using System.Text.Json;

namespace Mitos.Server.Tests.Api;

/// <summary>/openapi/v1.json, read for tests.</summary>
public sealed class ApiDocument
{
    private readonly JsonElement _root;

    public ApiDocument(string json)
    {
        _root = JsonDocument.Parse(json).RootElement;
        Operations = [.. _root.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(method =>
            new ApiOperation(method.Name.ToUpperInvariant(), path.Name, method.Value)))];
        Schemas = new SchemaValidator(_root.GetProperty("components").GetProperty("schemas"));
    }

    public IReadOnlyList<ApiOperation> Operations { get; }

    public SchemaValidator Schemas { get; }

    public ApiOperation this[string id] => Operations.Single(operation => operation.Id == id);

    /// <summary>The operation that a request is for; null when none is described.</summary>
    public ApiOperation? Find(HttpMethod method, string path)
    {
        var parts = path.Trim('/').Split('/');
        return Operations.Where(operation => operation.Method == method.Method && operation.Fits(parts)).OrderBy(operation => operation.Path.Count(c => c == '{')).FirstOrDefault();
    }

    /// <summary>What is wrong with an answer.</summary>
    public IEnumerable<string> Check(ApiOperation operation, int status, string contentType, ReadOnlyMemory<byte> body)
    {
        var responses = operation.Json.GetProperty("responses");
        if (!responses.TryGetProperty($"{status}", out var response) && (status < 400 || !responses.TryGetProperty("default", out response)))
            return [$"the status {status} is not described"];
        if (!response.TryGetProperty("content", out var content))
            return body.Length == 0 ? [] : ["a body is not described"];
        if (!content.TryGetProperty(contentType, out var media))
            return [$"the content type '{contentType}' is not described"];
        return contentType == "application/json" ? Schemas.Check(JsonDocument.Parse(body).RootElement, media.GetProperty("schema"), "$") : [];
    }
}

/// <summary>One described operation.</summary>
public sealed record ApiOperation(string Method, string Path, JsonElement Json)
{
    private readonly string[] _parts = Path.Trim('/').Split('/');

    public string Id => Json.GetProperty("operationId").GetString()!;

    public bool IsStream => Path.EndsWith("/stream", StringComparison.Ordinal);

    public IEnumerable<JsonElement> Parameters => Json.TryGetProperty("parameters", out var list) ? list.EnumerateArray() : [];

    /// <summary>Schema of a JSON body; null when there is none.</summary>
    public JsonElement? BodySchema => Json.TryGetProperty("requestBody", out var body) && body.GetProperty("content").TryGetProperty("application/json", out var media)
        ? media.GetProperty("schema") : null;

    public bool BodyIsRequired => Json.TryGetProperty("requestBody", out var body) && body.TryGetProperty("required", out var required) && required.GetBoolean();

    /// <summary>An address: parameters of the path by name, and the query.</summary>
    public string At(Func<string, string> parameter, string query = "") =>
        string.Join('/', _parts.Select(part => part.StartsWith('{') ? parameter(part[1..^1]) : part)) + query;

    public bool Fits(string[] parts) => parts.Length == _parts.Length && parts.Zip(_parts).All(pair => pair.Second.StartsWith('{') || pair.First == pair.Second);

    public override string ToString() => $"{Method} {Path}";
}
