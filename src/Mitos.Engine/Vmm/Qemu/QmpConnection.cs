using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Qemu;

/// <summary>
/// QEMU's monitor protocol (docs/interop/qmp-spec.rst) over a blocking socket: one command at a time, events dropped.
/// <see cref="Run(byte[], Deadline, int)"/> takes bytes made beforehand and allocates nothing: it is used inside the pause.
/// </summary>
internal sealed class QmpConnection : IDisposable
{
    private readonly UnixSocket _socket;
    private readonly string _subject;
    private readonly Lock _lock = new();
    private byte[] _buffer = new byte[16 << 10];
    private int _start, _end;
    private string? _broken;

    /// <summary>Connects, reads the greeting and leaves negotiation mode.</summary>
    /// <exception cref="VmmException">Nothing sensible answers.</exception>
    public QmpConnection(string path, string subject, Deadline deadline)
    {
        _subject = subject;
        try
        {
            _socket = UnixSocket.Connect(path, deadline);
        }
        catch (LinuxException e)
        {
            throw new VmmException($"The monitor of {subject} cannot be reached: {e.Message}", e);
        }
        try
        {
            ReadLine(deadline);
            Run("{\"execute\":\"qmp_capabilities\"}\n"u8.ToArray(), deadline);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Encodes a command for <see cref="Run(byte[], Deadline, int)"/>.</summary>
    public static byte[] Encode(string command, JsonObject? arguments = null)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null)
            request["arguments"] = arguments;
        return Encoding.UTF8.GetBytes(request.ToJsonString() + "\n");
    }

    /// <summary>Runs a command whose result does not matter.</summary>
    /// <param name="command">An encoded command.</param>
    /// <param name="deadline">When it passes, the connection is broken: replies could no longer be told apart.</param>
    /// <param name="descriptor">Passed along, when not negative.</param>
    /// <exception cref="VmmException">QEMU refused, or the connection is broken.</exception>
    public void Run(byte[] command, Deadline deadline, int descriptor = -1)
    {
        lock (_lock)
            Exchange(command, deadline, descriptor);
    }

    /// <summary>Runs a command and returns its result.</summary>
    public JsonNode? Query(string command, JsonObject? arguments, Deadline deadline, int descriptor = -1)
    {
        lock (_lock)
        {
            var line = Exchange(Encode(command, arguments), deadline, descriptor);
            return JsonNode.Parse(line)!["return"];
        }
    }

    public void Dispose() => _socket.Dispose();

    private ReadOnlySpan<byte> Exchange(byte[] command, Deadline deadline, int descriptor)
    {
        if (_broken is not null)
            throw new VmmException($"The monitor of {_subject} broke earlier: {_broken}");
        try
        {
            _socket.Send(command, deadline, descriptor);
            while (true)
            {
                var line = ReadLine(deadline);
                if (line.StartsWith("{\"return\""u8))
                    return line;
                if (line.StartsWith("{\"error\""u8))
                    throw new VmmException($"QEMU of {_subject} refused {Name(command)}: {JsonNode.Parse(line)!["error"]!["desc"]}");
            }
        }
        catch (LinuxException e)
        {
            _broken = $"{Name(command)}: {e.Message}";
            throw new VmmException($"QEMU of {_subject} did not answer {_broken}", e);
        }
    }

    private ReadOnlySpan<byte> ReadLine(Deadline deadline)
    {
        var searched = _start;
        while (true)
        {
            var end = _buffer.AsSpan(searched.._end).IndexOf((byte)'\n');
            if (end >= 0)
            {
                var line = _buffer.AsSpan(_start..(searched + end));
                _start = searched + end + 1;
                return line;
            }
            MakeRoom();
            searched = _end;
            var got = _socket.Receive(_buffer.AsSpan(_end), deadline);
            if (got == 0)
                throw new LinuxException("read", Errno.EAGAIN, $"the monitor of {_subject}: it closed");
            _end += got;
        }
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }
        if (_end < _buffer.Length)
            return;
        if (_buffer.Length >= 4 << 20)
            throw new LinuxException("read", Errno.EINVAL, $"the monitor of {_subject}: a reply of more than 4 MiB");
        Array.Resize(ref _buffer, _buffer.Length * 2);
    }

    private static string Name(byte[] command)
    {
        var text = Encoding.UTF8.GetString(command);
        return text.Split('"') is [_, _, _, var name, ..] ? $"'{name}'" : "a command";
    }
}
