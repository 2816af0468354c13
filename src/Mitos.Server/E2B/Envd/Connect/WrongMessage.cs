using System.Text.Json;
using Google.Protobuf.Reflection;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>What is wrong with the JSON of a message, in JSON's words: the parser's own have names of its types, and no field.</summary>
internal static class WrongMessage
{
    /// <param name="descriptor">What was to be read.</param>
    /// <param name="json">What came.</param>
    /// <param name="parsers">What the parser says, for what is of the right types and wrong otherwise.</param>
    public static string Describe(MessageDescriptor descriptor, ReadOnlySpan<byte> json, string parsers)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            using var document = JsonDocument.ParseValue(ref reader);
            return OfMessage(descriptor, document.RootElement, "") ?? parsers;
        }
        catch (JsonException e)
        {
            return WrongJsonException.Of(e, null, json).Message;
        }
        catch (InvalidOperationException)
        {
            return parsers; // a string that is no text cannot be looked at
        }
    }

    private static string? OfMessage(MessageDescriptor descriptor, JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Object)
            return Must(path, "an object", value);
        foreach (var property in value.EnumerateObject())
        {
            var field = descriptor.Fields.InDeclarationOrder().FirstOrDefault(known => known.JsonName == property.Name || known.Name == property.Name);
            if (field is not null && property.Value.ValueKind != JsonValueKind.Null && OfField(field, property.Value, path.Length == 0 ? property.Name : $"{path}.{property.Name}") is { } wrong)
                return wrong;
        }
        return null;
    }

    private static string? OfField(FieldDescriptor field, JsonElement value, string path)
    {
        if (field.IsMap)
        {
            var inner = field.MessageType.FindFieldByNumber(2);
            return value.ValueKind != JsonValueKind.Object ? Must(path, "an object", value)
                : value.EnumerateObject().Select(entry => OfValue(inner, entry.Value, $"{path}.{entry.Name}")).FirstOrDefault(wrong => wrong is not null);
        }
        if (!field.IsRepeated)
            return OfValue(field, value, path);
        return value.ValueKind != JsonValueKind.Array ? Must(path, "an array", value)
            : value.EnumerateArray().Select((item, i) => OfValue(field, item, $"{path}[{i}]")).FirstOrDefault(wrong => wrong is not null);
    }

    private static string? OfValue(FieldDescriptor field, JsonElement value, string path) => field.FieldType switch
    {
        FieldType.Message => OfMessage(field.MessageType, value, path),
        FieldType.String => value.ValueKind == JsonValueKind.String ? null : Must(path, "a string", value),
        FieldType.Bytes => value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out _) ? null : Must(path, "a string of base64", value),
        FieldType.Bool => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null : Must(path, "true or false", value),
        FieldType.Enum => IsNameOf(field.EnumType, value) ? null : Must(path, $"one of {string.Join(", ", field.EnumType.Values.Select(known => known.Name))}", value),
        FieldType.UInt32 => IsWhole(value, 0, uint.MaxValue) ? null : Must(path, $"a whole number from 0 to {uint.MaxValue}", value),
        FieldType.Int32 or FieldType.SInt32 => IsWhole(value, int.MinValue, int.MaxValue) ? null : Must(path, $"a whole number from {int.MinValue} to {int.MaxValue}", value),
        _ => null,
    };

    private static bool IsNameOf(EnumDescriptor type, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => type.FindValueByName(value.GetString()!) is not null,
        JsonValueKind.Number => value.TryGetInt32(out _),
        _ => false,
    };

    // 1.0 and "1" are whole numbers to this form of messages.
    private static bool IsWhole(JsonElement value, decimal least, decimal most) =>
        decimal.TryParse(value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var number)
        && number >= least && number <= most && number == decimal.Truncate(number);

    private static string Must(string path, string expected, JsonElement value) => $"{(path.Length == 0 ? "it" : path)} must be {expected}, not {value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "this string",
        _ => value.GetRawText() is { Length: <= 40 } raw ? raw : "this number",
    }}";
}
