using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace Mitos.Server.Requests;

/// <summary>JSON of a client's that is not what is expected. Its message names the field, what it must be, and what came, in JSON's words: no type of ours. 400.</summary>
internal sealed partial class WrongJsonException(string message) : Exception(message)
{
    private const int MostShown = 40;

    /// <summary>Reads what a client sent.</summary>
    /// <exception cref="WrongJsonException">It is something else.</exception>
    public static T? Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type);
        }
        catch (JsonException e)
        {
            throw Of(e, type, json);
        }
    }

    /// <summary>Of what the serializer says.</summary>
    /// <param name="e">Its words have names of types, and are used only where they are about syntax.</param>
    /// <param name="type">What was to be read; null: not known.</param>
    /// <param name="json">What was read, or its beginning.</param>
    public static WrongJsonException Of(JsonException e, JsonTypeInfo? type, ReadOnlySpan<byte> json)
    {
        if (e.GetType() != typeof(JsonException) || e.InnerException is JsonException) // the reader's own are of a class that is not public
            return new($"{Place().Replace((e.InnerException ?? e).Message, "").Trim()} (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})");
        var path = e.Path is { } given ? given.TrimStart('$').TrimStart('.') : "";
        var field = path.Length > 0 ? path : "it";
        var expected = type is null ? null : Expectation.At(type, path);
        var (token, value) = Came(json, e);
        if (token == JsonTokenType.PropertyName)
            return new($"{field} is there twice");
        if (token == JsonTokenType.EndObject)
            return new($"{field} lacks a field");
        if (token == JsonTokenType.String && expected is { Word: "a string" })
            return new($"{field} is a string that is no text: half of a pair of surrogates, or no UTF-8");
        return new($"{field} must be {expected?.Word ?? "something else"}{Describe(token, value, expected)}");
    }

    private static string Describe(JsonTokenType token, string value, Expectation? expected) => token switch
    {
        JsonTokenType.None => "",
        JsonTokenType.StartObject => ", not an object",
        JsonTokenType.StartArray => ", not an array",
        JsonTokenType.String => expected is { IsString: true } ? $", not \"{value}\"" : ", not a string",
        _ => $", not {value}", // a number, true, false, null
    };

    // The token at which reading ended: the last one that was read wholly.
    private static (JsonTokenType Token, string Value) Came(ReadOnlySpan<byte> json, JsonException e)
    {
        var line = 0;
        for (var i = 0L; i < e.LineNumber; i++)
        {
            var end = json[line..].IndexOf((byte)'\n');
            if (end < 0)
                return default;
            line += end + 1;
        }
        try
        {
            var reader = new Utf8JsonReader(json);
            while (reader.Read())
            {
                if (reader.BytesConsumed >= line + e.BytePositionInLine)
                    return (reader.TokenType, Shown(reader.ValueSpan));
            }
        }
        catch (JsonException)
        {
            // nor does it matter then
        }
        return default;
    }

    private static string Shown(ReadOnlySpan<byte> value)
    {
        var text = System.Text.Encoding.UTF8.GetString(value);
        return text.Length <= MostShown ? text : text[..MostShown] + "…";
    }

    [GeneratedRegex(@"(Path: .* \| )?LineNumber: \d+ \| BytePositionInLine: \d+\.\s*$", RegexOptions.Singleline)]
    private static partial Regex Place();

    /// <summary>What is expected somewhere.</summary>
    /// <param name="Word">For example <c>a whole number</c>.</param>
    /// <param name="Words">Several of it; null: nobody asks for that.</param>
    /// <param name="IsString">Whether it is written as a string.</param>
    private sealed partial record Expectation(string Word, string Words, bool IsString = false)
    {
        private static readonly Expectation Anything = new("of another kind", "values");

        /// <param name="type">Of the whole.</param>
        /// <param name="path">As the serializer writes it, such as <c>steps[0].run</c>.</param>
        public static Expectation At(JsonTypeInfo type, string path)
        {
            foreach (Match part in Part().Matches(path))
            {
                var name = part.Groups["name"].Value;
                var next = type.Kind switch
                {
                    JsonTypeInfoKind.Object => type.Properties.FirstOrDefault(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.PropertyType,
                    JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary => type.ElementType,
                    _ => null,
                };
                if (next is null)
                    return Anything;
                type = type.Options.GetTypeInfo(next);
            }
            return Of(type);
        }

        private static Expectation Of(JsonTypeInfo info)
        {
            var type = Nullable.GetUnderlyingType(info.Type) ?? info.Type;
            return info.Kind switch
            {
                JsonTypeInfoKind.Object => new("an object", "objects"),
                JsonTypeInfoKind.Dictionary => new($"an object of {Of(info.Options.GetTypeInfo(info.ElementType!)).Words}", "objects"),
                JsonTypeInfoKind.Enumerable => new($"an array of {Of(info.Options.GetTypeInfo(info.ElementType!)).Words}", "arrays"),
                _ when type == typeof(bool) => new("true or false", "values that are true or false"),
                _ when type == typeof(string) => new("a string", "strings", true),
                _ when type == typeof(DateTimeOffset) => new("a time such as 2027-01-31T18:00:00Z", "times", true),
                _ when type == typeof(Guid) => new("a UUID", "UUIDs", true),
                _ when type == typeof(double) => new("a number", "numbers"),
                _ when type == typeof(int) => Whole(int.MinValue, int.MaxValue),
                _ when type == typeof(long) => Whole(long.MinValue, long.MaxValue),
                _ => Anything,
            };
        }

        private static Expectation Whole(long least, long most) => new(string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"), "whole numbers");

        [GeneratedRegex(@"\['(?<name>.*?)'\](?=[.\[]|$)|\[(?<name>\d+)\]|(?<name>[^.\[]+)")]
        private static partial Regex Part();
    }
}
