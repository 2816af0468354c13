using System.Globalization;
using System.Text;
using System.Text.Json;
using Mitos.Linux;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>Reads the answers of one connection, one at a time.</summary>
internal sealed class HttpAnswer
{
    private const int MaxBody = 1 << 20, MaxWords = 600;
    private byte[] _buffer = new byte[8 << 10];
    private int _length;

    /// <summary>The next answer.</summary>
    /// <exception cref="LinuxException">ETIMEDOUT, or the stream broke.</exception>
    /// <exception cref="InvalidDataException">It is no HTTP, has no end, or more came than was asked for.</exception>
    public (int Status, string Body) Receive(UnixSocket socket, Deadline deadline)
    {
        _length = 0;
        int head;
        while ((head = _buffer.AsSpan(0, _length).IndexOf("\r\n\r\n"u8)) < 0)
            ReceiveMore(socket, deadline);
        var lines = Encoding.ASCII.GetString(_buffer, 0, head).Split("\r\n");
        if (!lines[0].StartsWith("HTTP/1.", StringComparison.Ordinal) || lines[0].Split(' ') is not [_, var code, ..] || !int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out var status))
            throw new InvalidDataException($"it said '{Shorten(lines[0])}', which is no HTTP");
        var length = 0;
        foreach (var line in lines)
        {
            if (line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase) && !int.TryParse(line.AsSpan(15), CultureInfo.InvariantCulture, out length))
                throw new InvalidDataException($"it said '{Shorten(line)}', which is no length");
        }
        var start = head + 4;
        if (length is < 0 or > MaxBody)
            throw new InvalidDataException($"its answer is to have {length} bytes");
        while (_length < start + length)
            ReceiveMore(socket, deadline);
        if (_length > start + length)
            throw new InvalidDataException("it said more than it was asked");
        return (status, Encoding.UTF8.GetString(_buffer, start, length));
    }

    /// <summary>The <c>fault_message</c> of an error.</summary>
    public static string FaultOf(string body) => FieldOf(body, "fault_message") is { Length: > 0 } words ? Shorten(words) : body.Length > 0 ? Shorten(body) : "no reason given";

    /// <summary>The text of a field of an answer; null when it has none.</summary>
    public static string? FieldOf(string body, string name)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(name, out var field) && field.ValueKind == JsonValueKind.String ? field.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private void ReceiveMore(UnixSocket socket, Deadline deadline)
    {
        if (_length == _buffer.Length)
        {
            if (_length >= 2 * MaxBody)
                throw new InvalidDataException("its answer has no end");
            Array.Resize(ref _buffer, _length * 2);
        }
        var got = socket.Receive(_buffer.AsSpan(_length), deadline);
        if (got == 0)
            throw new InvalidDataException("it closed the connection");
        _length += got;
    }

    private static string Shorten(string text) => text.Length <= MaxWords ? text : text[..MaxWords] + "…";
}
