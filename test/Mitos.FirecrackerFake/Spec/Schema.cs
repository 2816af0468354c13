using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mitos.FirecrackerFake.Spec;

/// <summary>What a JSON value must be: as much of Swagger 2.0 as Firecracker's file uses. Unknown fields are refused, as Firecracker's own reader does.</summary>
internal sealed class Schema
{
    public string Type { get; init; } = "object";

    public Dictionary<string, Schema> Properties { get; init; } = [];

    public List<string> Required { get; init; } = [];

    public List<string> Enum { get; init; } = [];

    public Schema? Items { get; init; }

    /// <summary>Any field is allowed, with any value or with one of <see cref="Values"/>.</summary>
    public bool AnyFields { get; init; }

    public Schema? Values { get; init; }

    public decimal? Minimum { get; init; }

    public decimal? Maximum { get; init; }

    /// <summary>What is wrong with a value, in the words of Firecracker's JSON reader (serde) but for line and column; null when nothing is.</summary>
    public string? Check(JsonNode? value) => Type switch
    {
        "object" => value is JsonObject fields ? CheckFields(fields) : Unexpected(value, "a map"),
        "array" => value is JsonArray items ? items.Select(item => Items!.Check(item)).FirstOrDefault(wrong => wrong is not null) : Unexpected(value, "a sequence"),
        "string" => value?.GetValueKind() == JsonValueKind.String ? CheckText(value.GetValue<string>()) : Unexpected(value, "a string"),
        "boolean" => value?.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? null : Unexpected(value, "a boolean"),
        "integer" => CheckInteger(value),
        _ => throw new InvalidOperationException($"The specification has a type '{Type}', which this checker does not know."),
    };

    /// <summary>What serde says to a field that is not there.</summary>
    public static string UnknownField(string name, IEnumerable<string> known)
    {
        var names = known.Select(field => $"`{field}`").ToList();
        return $"unknown field `{name}`, " + names.Count switch { 0 => "there are no fields", 1 => $"expected {names[0]}", 2 => $"expected {names[0]} or {names[1]}", _ => $"expected one of {string.Join(", ", names)}" };
    }

    private string? CheckFields(JsonObject fields)
    {
        foreach (var (name, value) in fields)
        {
            if (Properties.TryGetValue(name, out var property))
            {
                // Firecracker's optional fields take a null as absent.
                if ((value is not null || Required.Contains(name)) && property.Check(value) is { } wrong)
                    return wrong;
            }
            else if (!AnyFields)
            {
                return UnknownField(name, Properties.Keys);
            }
            else if (Values?.Check(value) is { } wrong)
            {
                return wrong;
            }
        }
        return Required.FirstOrDefault(name => !fields.ContainsKey(name)) is { } missing ? $"missing field `{missing}`" : null;
    }

    private string? CheckText(string text)
    {
        if (Enum.Count == 0 || Enum.Contains(text))
            return null;
        var names = Enum.Select(variant => $"`{variant}`").ToList();
        return $"unknown variant `{text}`, expected {(names.Count <= 2 ? string.Join(" or ", names) : "one of " + string.Join(", ", names))}";
    }

    private string? CheckInteger(JsonNode? value)
    {
        if (value?.GetValueKind() != JsonValueKind.Number)
            return Unexpected(value, "an integer");
        var text = value.ToJsonString();
        if (!decimal.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            return $"invalid type: floating point `{text}`, expected an integer";
        // All of them are unsigned.
        return number < (Minimum ?? 0) || number > (Maximum ?? ulong.MaxValue) ? $"invalid value: integer `{text}`, expected {Minimum ?? 0} to {Maximum ?? ulong.MaxValue}" : null;
    }

    private static string Unexpected(JsonNode? value, string expected) => $"invalid type: {Describe(value)}, expected {expected}";

    private static string Describe(JsonNode? value) => value?.GetValueKind() switch
    {
        null or JsonValueKind.Null => "null",
        JsonValueKind.Object => "map",
        JsonValueKind.Array => "sequence",
        JsonValueKind.String => $"string {value.ToJsonString()}",
        JsonValueKind.Number => $"integer `{value.ToJsonString()}`",
        _ => $"boolean `{value.ToJsonString()}`",
    };
}
