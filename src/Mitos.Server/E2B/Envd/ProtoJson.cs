using System.Globalization;
using System.Text.Json;

namespace Mitos.Server.E2B.Envd;

/// <summary>Reads messages in the JSON form of protocol buffers: fields may be left out, long numbers may be texts.</summary>
internal static class ProtoJson
{
    public static JsonElement? Field(this JsonElement message, string name) =>
        message.ValueKind == JsonValueKind.Object && message.TryGetProperty(name, out var field) && field.ValueKind != JsonValueKind.Null ? field : null;

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static string Text(this JsonElement message, string name) => message.Field(name) switch
    {
        null => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        _ => throw ConnectException.Invalid($"{name} must be a text"),
    };

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static bool? Flag(this JsonElement message, string name) => message.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw ConnectException.Invalid($"{name} must be true or false"),
    };

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static uint? Number(this JsonElement message, string name) => message.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number when number.TryGetUInt32(out var value) => value,
        { ValueKind: JsonValueKind.String } text when uint.TryParse(text.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) => value,
        _ => throw ConnectException.Invalid($"{name} must be a number"),
    };

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static byte[]? Bytes(this JsonElement message, string name)
    {
        if (message.Field(name) is not { } field)
            return null;
        try
        {
            return field.GetBytesFromBase64();
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException)
        {
            throw ConnectException.Invalid($"{name} must be base64");
        }
    }

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static List<string> Texts(this JsonElement message, string name) => message.Field(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) => list.EnumerateArray().Select(item => item.GetString()!).ToList(),
        _ => throw ConnectException.Invalid($"{name} must be a list of texts"),
    };

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static Dictionary<string, string> Map(this JsonElement message, string name) => message.Field(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Object } map when map.EnumerateObject().All(pair => pair.Value.ValueKind == JsonValueKind.String) => map.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString()!),
        _ => throw ConnectException.Invalid($"{name} must be a map of texts"),
    };
}
