using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Mitos.FirecrackerFake.Http;

/// <summary>
/// HTTP as Firecracker's micro-http speaks it: bodies by Content-Length alone (a chunked one is read as empty), connections kept open, a status line
/// without a phrase, no length with 204.
/// </summary>
internal sealed class HttpConnection(Socket socket, int maxBody)
{
    private byte[] _buffer = new byte[4096];
    private int _length;

    /// <summary>The next request; null when the client is gone.</summary>
    /// <exception cref="InvalidDataException">It is no HTTP, or its body is too long.</exception>
    public HttpRequest? Read()
    {
        int head;
        while ((head = _buffer.AsSpan(0, _length).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (_length > 16 << 10)
                throw new InvalidDataException("Request header is too long.");
            if (!ReadMore())
                return null;
        }
        var lines = Encoding.ASCII.GetString(_buffer, 0, head).Split("\r\n");
        if (lines[0].Split(' ') is not [var method and ("GET" or "PUT" or "PATCH"), var uri, "HTTP/1.1" or "HTTP/1.0"])
            throw new InvalidDataException($"Invalid request line: {lines[0]}");
        var length = 0;
        var expects = false;
        foreach (var line in lines.Skip(1))
        {
            var (name, value) = line.Split(':', 2) is [var left, var right] ? (left.Trim(), right.Trim()) : throw new InvalidDataException($"Invalid header: {line}");
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) && !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out length))
                throw new InvalidDataException($"Invalid value. Key:Content-Length; Value: {value}");
            expects |= name.Equals("Expect", StringComparison.OrdinalIgnoreCase);
        }
        if (length > maxBody)
            throw new InvalidDataException($"Request payload with size {length} is larger than the limit of {maxBody} allowed by server.");
        if (expects)
            Write("HTTP/1.1 100 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"u8);
        while (_length < head + 4 + length)
        {
            if (!ReadMore())
                return null;
        }
        var body = _buffer[(head + 4)..(head + 4 + length)];
        _buffer.AsSpan((head + 4 + length).._length).CopyTo(_buffer);
        _length -= head + 4 + length;
        return new HttpRequest(method, uri, body);
    }

    public static byte[] Encode(int status, string body, bool deprecated = false)
    {
        var content = Encoding.UTF8.GetBytes(body);
        var head = $"HTTP/1.1 {status} \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n{(deprecated ? "Deprecation: true\r\n" : "")}";
        if (status != 204)
            head += $"Content-Type: application/json\r\nContent-Length: {content.Length}\r\n";
        return [.. Encoding.ASCII.GetBytes(head + "\r\n"), .. content];
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[socket.Send(bytes)..];
    }

    private bool ReadMore()
    {
        if (_length == _buffer.Length)
            Array.Resize(ref _buffer, _length * 2);
        var got = socket.Receive(_buffer.AsSpan(_length));
        _length += got;
        return got > 0;
    }
}

/// <summary>A request as it came.</summary>
internal sealed record HttpRequest(string Method, string Path, byte[] Body);
