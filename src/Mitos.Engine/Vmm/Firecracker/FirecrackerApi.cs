using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>
/// Firecracker's API over one kept-open unix socket: a request at a time, blocking, with a deadline. Requests are bytes made
/// beforehand, so that a call inside the pause does nothing but send and receive.
/// </summary>
internal sealed class FirecrackerApi : IDisposable
{
    private const int MaxAnswer = 1 << 20;
    private readonly UnixSocket _socket;
    private readonly string _subject;
    private readonly Lock _lock = new();
    private byte[] _buffer = new byte[8 << 10];
    private int _length;
    private string? _broken;

    /// <param name="path">The API socket, which the process makes when it is up.</param>
    /// <param name="subject">Names the process in messages.</param>
    /// <param name="isAlive">Whether there is still somebody to wait for.</param>
    /// <param name="deadline">Until when the socket must be there.</param>
    /// <exception cref="VmmException">It never came up.</exception>
    public FirecrackerApi(string path, string subject, Func<bool> isAlive, Deadline deadline)
    {
        _subject = subject;
        while (true)
        {
            try
            {
                _socket = UnixSocket.Connect(path, deadline);
                return;
            }
            catch (LinuxException e) when (deadline.RemainingMs > 0 && isAlive() && e.Errno is Errno.ENOENT or Errno.ECONNREFUSED)
            {
                Thread.Sleep(1);
            }
            catch (LinuxException e)
            {
                throw new VmmException($"The API of {subject} cannot be reached: {(isAlive() ? e.Message : "it has ended")}", e);
            }
        }
    }

    /// <summary>Sends a request that must succeed.</summary>
    /// <returns>The answer's body; empty for most.</returns>
    /// <exception cref="VmmException">Refused, with Firecracker's own words, or the connection is broken.</exception>
    public string Call(byte[] request, Deadline deadline)
    {
        var (status, body) = Exchange(request, deadline);
        return status is >= 200 and < 300 ? body : throw new VmmException($"Firecracker of {_subject} refused {Name(request)}: {FaultOf(body)}");
    }

    /// <summary>Sends a request that may be refused.</summary>
    public (int Status, string Body) Exchange(byte[] request, Deadline deadline)
    {
        lock (_lock)
        {
            if (_broken is not null)
                throw new VmmException($"The API of {_subject} broke earlier: {_broken}");
            try
            {
                _socket.Send(request, deadline);
                return Receive(deadline);
            }
            catch (Exception e) when (e is LinuxException or InvalidDataException)
            {
                // An answer may still come: it could not be told from the next one's.
                _broken = $"{Name(request)}: {e.Message}";
                throw new VmmException($"Firecracker of {_subject} did not answer {_broken}", e);
            }
        }
    }

    /// <summary>The <c>fault_message</c> of an error.</summary>
    public static string FaultOf(string body)
    {
        try
        {
            return (string?)JsonNode.Parse(body)?["fault_message"] ?? body;
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException)
        {
            return body.Length > 0 ? body : "no reason given";
        }
    }

    public void Dispose() => _socket.Dispose();

    private (int Status, string Body) Receive(Deadline deadline)
    {
        _length = 0;
        int head;
        while ((head = _buffer.AsSpan(0, _length).IndexOf("\r\n\r\n"u8)) < 0)
            ReceiveMore(deadline);
        var lines = Encoding.ASCII.GetString(_buffer, 0, head).Split("\r\n");
        if (lines[0].Split(' ') is not [_, var code, ..] || !int.TryParse(code, CultureInfo.InvariantCulture, out var status))
            throw new InvalidDataException($"an answer that is no HTTP: {lines[0]}");
        var length = 0;
        foreach (var line in lines)
        {
            if (line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase) && !int.TryParse(line.AsSpan(15), CultureInfo.InvariantCulture, out length))
                throw new InvalidDataException($"a length that is no number: {line}");
        }
        var start = head + 4;
        if (length is < 0 or > MaxAnswer)
            throw new InvalidDataException($"an answer of {length} bytes");
        while (_length < start + length)
            ReceiveMore(deadline);
        return (status, Encoding.UTF8.GetString(_buffer, start, length));
    }

    private void ReceiveMore(Deadline deadline)
    {
        if (_length == _buffer.Length)
        {
            if (_length >= 2 * MaxAnswer)
                throw new InvalidDataException("an answer without end");
            Array.Resize(ref _buffer, _length * 2);
        }
        var got = _socket.Receive(_buffer.AsSpan(_length), deadline);
        if (got == 0)
            throw new InvalidDataException("it closed the connection");
        _length += got;
    }

    private static string Name(byte[] request) => $"'{Encoding.ASCII.GetString(request, 0, Math.Max(0, request.AsSpan().IndexOf(" HTTP"u8)))}'";
}
