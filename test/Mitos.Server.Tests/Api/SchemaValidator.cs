using System.Text.Json;

namespace Mitos.Server.Tests.Api;

/// <summary>Checks JSON against the schemas of the description. Stricter than the standard: what is not described is wrong.</summary>
public sealed class SchemaValidator(JsonElement schemas)
{
    public JsonElement Resolve(JsonElement schema) =>
        schema.TryGetProperty("$ref", out var reference) ? schemas.GetProperty(reference.GetString()!.Split('/')[^1]) : schema;

    /// <summary>The type names that a schema allows.</summary>
    public IReadOnlyList<string> TypesOf(JsonElement schema)
    {
        schema = Resolve(schema);
        if (schema.TryGetProperty("oneOf", out var options))
            return [.. options.EnumerateArray().SelectMany(TypesOf)];
        var type = schema.GetProperty("type");
        return type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(name => name.GetString()!)] : [type.GetString()!];
    }

    /// <summary>The fields of what a schema describes, none if that is no object.</summary>
    public IReadOnlyList<string> PropertiesOf(JsonElement schema)
    {
        schema = Resolve(schema);
        if (schema.TryGetProperty("oneOf", out var options))
            return [.. options.EnumerateArray().SelectMany(PropertiesOf)];
        return schema.TryGetProperty("properties", out var properties) ? [.. properties.EnumerateObject().Select(property => property.Name)] : [];
    }

    public IEnumerable<string> Check(JsonElement value, JsonElement schema, string at)
    {
        schema = Resolve(schema);
        if (schema.TryGetProperty("oneOf", out var options))
        {
            var tried = options.EnumerateArray().Select(option => Check(value, option, at).ToList()).ToList();
            return tried.Count(errors => errors.Count == 0) == 1 ? [] : tried.SelectMany(errors => errors);
        }
        if (!TypesOf(schema).Any(type => Is(value, type, schema)))
            return [$"{at} is {value.ValueKind}, not {string.Join(" or ", TypesOf(schema))}: {value.GetRawText()[..Math.Min(80, value.GetRawText().Length)]}"];
        return value.ValueKind switch
        {
            JsonValueKind.Object => CheckObject(value, schema, at),
            JsonValueKind.Array => value.EnumerateArray().SelectMany((item, i) => Check(item, schema.GetProperty("items"), $"{at}[{i}]")),
            _ => [],
        };
    }

    private IEnumerable<string> CheckObject(JsonElement value, JsonElement schema, string at)
    {
        var described = schema.TryGetProperty("properties", out var properties);
        foreach (var name in schema.TryGetProperty("required", out var required) ? required.EnumerateArray().Select(name => name.GetString()!) : [])
        {
            if (!value.TryGetProperty(name, out _))
                yield return $"{at}.{name} is missing";
        }
        foreach (var property in value.EnumerateObject())
        {
            if ((described && properties.TryGetProperty(property.Name, out var inner)) || schema.TryGetProperty("additionalProperties", out inner))
            {
                foreach (var error in Check(property.Value, inner, $"{at}.{property.Name}"))
                    yield return error;
            }
            else
            {
                yield return $"{at}.{property.Name} is not described";
            }
        }
    }

    private static bool Is(JsonElement value, string type, JsonElement schema)
    {
        var format = schema.TryGetProperty("format", out var name) ? name.GetString() : null;
        return (type, value.ValueKind) switch
        {
            ("null", JsonValueKind.Null) or ("object", JsonValueKind.Object) or ("array", JsonValueKind.Array) => true,
            ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
            ("string", JsonValueKind.String) => format != "date-time" || value.TryGetDateTimeOffset(out _),
            ("integer", JsonValueKind.Number) => format == "int32" ? value.TryGetInt32(out _) : value.TryGetInt64(out _),
            ("number", JsonValueKind.Number) => true,
            _ => false,
        };
    }
}
