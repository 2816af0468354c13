using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mitos.Server.E2B.Control;

/// <summary>What a network configuration may say. It is kept; enforcing it is another part's work.</summary>
internal static class NetworkRules
{
    private const int MaxDomains = 10, MaxHeaders = 20, MaxCredential = 255;
    private static readonly string[] Updated = ["allowOut", "denyOut", "egressProxy", "rules"];

    /// <exception cref="E2BException">400, of the field that is wrong.</exception>
    public static void Check(JsonElement? network)
    {
        if (network is not { } root || root.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined)
            return;
        if (root.ValueKind != JsonValueKind.Object)
            throw E2BException.Bad("network must be an object");
        if (root.EnumerateObject().GroupBy(field => field.Name).FirstOrDefault(fields => fields.Count() > 1) is { } twice)
            throw E2BException.Bad($"{twice.Key} can be there once only"); // which one counts would be a matter of who reads it
        if (Field(root, "allowPublicTraffic") is { ValueKind: not (JsonValueKind.True or JsonValueKind.False) })
            throw E2BException.Bad("allowPublicTraffic must be true or false");
        var deny = Texts(root, "denyOut");
        foreach (var entry in deny.Where(entry => !IsAddress(entry)))
            throw E2BException.Bad($"invalid denyOut entry '{entry}': only IP addresses and CIDR blocks are possible");
        if (Texts(root, "allowOut").Any(entry => !IsAddress(entry)) && !deny.Contains("0.0.0.0/0"))
            throw E2BException.Bad("when allowOut has domains, denyOut must contain 0.0.0.0/0");
        if (Field(root, "maskRequestHost") is { } mask && !(mask.ValueKind == JsonValueKind.String && HostPort.IsValid(mask.GetString()!.Replace("${PORT}", "80", StringComparison.Ordinal))))
            throw E2BException.Bad("maskRequestHost must be a host, of ASCII characters, and perhaps a port: name.example.com:${PORT}");
        if (Field(root, "egressProxy") is { } proxy)
            CheckProxy(proxy);
        if (Field(root, "rules") is { } rules)
            CheckRules(rules);
    }

    /// <summary>What an update makes of what was there: all that it could name is as it says, or gone.</summary>
    public static string Update(string? old, JsonElement update)
    {
        var network = (old is null ? null : JsonNode.Parse(old)) as JsonObject ?? [];
        foreach (var name in Updated)
        {
            network.Remove(name);
            if (update.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
                network[name] = JsonNode.Parse(value.GetRawText());
        }
        return network.ToJsonString();
    }

    /// <summary>What a new sandbox's request makes of what it inherits: what an update could name is as the request says, or gone; of the rest, what it names is as it says.</summary>
    public static string Inherit(string? old, JsonElement request)
    {
        if (old is null)
            return request.GetRawText();
        var network = JsonNode.Parse(Update(old, request))!.AsObject();
        foreach (var property in request.EnumerateObject().Where(property => property.Value.ValueKind != JsonValueKind.Null))
            network[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        return network.ToJsonString();
    }

    /// <summary>Whether an update allows the internet; null: it does not say.</summary>
    public static bool? AllowsInternet(JsonElement update) => update.TryGetProperty("allow_internet_access", out var allowed) ? allowed.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null => null,
        _ => throw E2BException.Bad("allow_internet_access must be true or false"),
    } : null;

    /// <summary>Whether everybody may send requests to its ports.</summary>
    /// <param name="network">As it is asked for.</param>
    /// <param name="otherwise">Where that does not say.</param>
    public static bool IsPublic(JsonElement? network, bool otherwise) =>
        network is { ValueKind: JsonValueKind.Object } root && Field(root, "allowPublicTraffic") is { } allowed ? allowed.ValueKind == JsonValueKind.True : otherwise;

    private static void CheckProxy(JsonElement proxy)
    {
        if (proxy.ValueKind != JsonValueKind.Object)
            throw E2BException.Bad("egressProxy must be an object");
        foreach (var name in new[] { "username", "password" })
        {
            if (Field(proxy, name) is { } text && !(text.ValueKind == JsonValueKind.String && Encoding.UTF8.GetByteCount(text.GetString()!) <= MaxCredential))
                throw E2BException.Bad($"{name} of egressProxy must be a text of at most {MaxCredential} bytes");
        }
        if (Field(proxy, "address") is not { ValueKind: JsonValueKind.String } address || !HostPort.IsValid(address.GetString()!, needsPort: true))
            throw E2BException.Bad("egressProxy must have an address, host:port");
    }

    private static void CheckRules(JsonElement rules)
    {
        if (rules.ValueKind != JsonValueKind.Object)
            throw E2BException.Bad("rules must be an object, of lists by domain");
        if (rules.EnumerateObject().Count() > MaxDomains)
            throw E2BException.Bad($"rules can have at most {MaxDomains} domains");
        foreach (var domain in rules.EnumerateObject())
        {
            if (domain.Value.ValueKind != JsonValueKind.Array || domain.Value.GetArrayLength() > 1 || domain.Value.EnumerateArray().Any(rule => rule.ValueKind != JsonValueKind.Object))
                throw E2BException.Bad($"rules of '{domain.Name}' must be a list of at most one transform");
            foreach (var transform in domain.Value.EnumerateArray().Select(rule => Field(rule, "transform")).OfType<JsonElement>())
            {
                if (transform.ValueKind != JsonValueKind.Object)
                    throw E2BException.Bad($"rules of '{domain.Name}': transform must be an object");
                if (Field(transform, "headers") is not { } headers)
                    continue;
                if (headers.ValueKind != JsonValueKind.Object || headers.EnumerateObject().Any(header => header.Value.ValueKind != JsonValueKind.String))
                    throw E2BException.Bad($"rules of '{domain.Name}': headers must be an object of texts");
                if (headers.EnumerateObject().Count() > MaxHeaders)
                    throw E2BException.Bad($"rules of '{domain.Name}': a transform can have at most {MaxHeaders} headers");
            }
        }
    }

    private static JsonElement? Field(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static List<string> Texts(JsonElement root, string name)
    {
        if (Field(root, name) is not { } list)
            return [];
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw E2BException.Bad($"{name} must be a list of texts");
        return list.EnumerateArray().Select(item => item.GetString()!).ToList();
    }

    private static bool IsAddress(string entry) => IPAddress.TryParse(entry, out _) || IPNetwork.TryParse(entry, out _);
}
