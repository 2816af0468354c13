using Microsoft.Extensions.Logging.Console;

namespace Mitos.Server.Observability;

/// <summary>How the daemon writes its log.</summary>
internal enum LogFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>A JSON object in each line; see <see cref="JsonLines"/>.</summary>
    Json,
}

internal static class LogFormats
{
    /// <summary>Writes to standard output.</summary>
    public static ILoggingBuilder AddFormat(this ILoggingBuilder logging, LogFormat format)
    {
        if (format == LogFormat.Text)
            return logging.AddSimpleConsole(console => console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ");
        logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        return logging.AddConsole(console => console.FormatterName = JsonLines.FormatterName);
    }
}
