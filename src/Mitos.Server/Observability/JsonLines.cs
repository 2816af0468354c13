using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Mitos.Server.Api;

namespace Mitos.Server.Observability;

/// <summary>
/// A log entry as one flat JSON object: <c>at</c>, <c>level</c>, <c>source</c>, <c>message</c>, then <c>trace</c> and <c>span</c> of the request or
/// operation, the values that the message names (<c>sandbox</c>, <c>fork</c>, <c>reason</c>, …) and <c>error</c>. Scopes are left out: they have addresses as clients sent them.
/// </summary>
internal sealed class JsonLines() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "mitos-json";

    private static readonly JsonWriterOptions Options = new() { Encoder = ApiJson.Encoder };
    private static readonly HashSet<string> Own = ["at", "level", "source", "message", "trace", "span", "error", "{OriginalFormat}"];

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("at", DateTime.UtcNow);
            json.WriteString("level", logEntry.LogLevel.ToString().ToLowerInvariant());
            json.WriteString("source", logEntry.Category);
            json.WriteString("message", logEntry.Formatter(logEntry.State, logEntry.Exception));
            if (Activity.Current is { IdFormat: ActivityIdFormat.W3C, IsStopped: false } activity) // work that goes on behind a request has its context, and is not its
            {
                json.WriteString("trace", activity.TraceId.ToHexString());
                json.WriteString("span", activity.SpanId.ToHexString());
            }
            if (logEntry.State is IReadOnlyList<KeyValuePair<string, object?>> values)
                WriteValues(json, values);
            if (logEntry.Exception is { } exception)
                json.WriteString("error", exception.ToString());
            json.WriteEndObject();
        }
        textWriter.Write(Encoding.UTF8.GetString(buffer.WrittenSpan));
        textWriter.Write('\n');
    }

    private static void WriteValues(Utf8JsonWriter json, IReadOnlyList<KeyValuePair<string, object?>> values)
    {
        for (var i = 0; i < values.Count; i++)
        {
            var name = JsonNamingPolicy.CamelCase.ConvertName(values[i].Key);
            if (Own.Contains(values[i].Key) || Own.Contains(name) || Before(values, i))
                continue;
            json.WritePropertyName(name);
            switch (values[i].Value)
            {
                case null:
                    json.WriteNullValue();
                    break;
                case int or long or short or byte:
                    json.WriteNumberValue(Convert.ToInt64(values[i].Value, CultureInfo.InvariantCulture));
                    break;
                case bool flag:
                    json.WriteBooleanValue(flag);
                    break;
                default:
                    json.WriteStringValue(Convert.ToString(values[i].Value, CultureInfo.InvariantCulture));
                    break;
            }
        }
    }

    // a name that comes twice is written once
    private static bool Before(IReadOnlyList<KeyValuePair<string, object?>> values, int index)
    {
        for (var i = 0; i < index; i++)
        {
            if (string.Equals(values[i].Key, values[index].Key, StringComparison.OrdinalIgnoreCase))
                return true;
        }
        return false;
    }
}
