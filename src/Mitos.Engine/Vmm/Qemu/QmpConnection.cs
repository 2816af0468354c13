using System.Text;
using System.Text.Json;
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
    private const int MaxLine = 4 << 20;

    // query-block nests each layer of a disk into the one above it.
    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = 1 << 14 };

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
            lock (_lock)
            {
                ReadGreeting(deadline);
                Negotiate(deadline);
            }
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Encodes a command for <see cref="Run(byte[], Deadline, int)"/>. Its name is its id, at the end; the answer has it too.</summary>
    public static byte[] Encode(string command, JsonObject? arguments = null)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null)
            request["arguments"] = arguments;
        request["id"] = command;
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

    /// <inheritdoc cref="Run(byte[], Deadline, int)"/>
    public void Run(string command, JsonObject? arguments, Deadline deadline, int descriptor = -1) => Run(Encode(command, arguments), deadline, descriptor);

    /// <summary>Runs a command and reads its result.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments, if it has any.</param>
    /// <param name="deadline">As for <see cref="Run(byte[], Deadline, int)"/>.</param>
    /// <param name="read">Takes what is wanted out of the result; what it throws means that the result is none.</param>
    /// <exception cref="VmmException">QEMU refused or answered nonsense, or the connection is broken.</exception>
    public T Query<T>(string command, JsonObject? arguments, Deadline deadline, Func<JsonNode, T> read)
    {
        var encoded = Encode(command, arguments);
        lock (_lock)
        {
            var line = Exchange(encoded, deadline, -1);
            try
            {
                return read(JsonNode.Parse(line, documentOptions: AnyDepth)!["return"]!);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or NullReferenceException or ArgumentException)
            {
                throw new VmmException($"QEMU of {_subject} answered '{command}' with nonsense: {Shown(line)}", e);
            }
        }
    }

    public void Dispose() => _socket.Dispose();

    private void ReadGreeting(Deadline deadline)
    {
        try
        {
            var greeting = ReadLine(deadline);
            while (IsLate(TryParse(greeting)))
                greeting = ReadLine(deadline);
            if (!greeting.StartsWith("{\"QMP\""u8))
                throw Break($"its greeting is none: {Shown(greeting)}");
        }
        catch (LinuxException e)
        {
            throw Break($"it did not greet: {e.Message}", e);
        }
    }

    // What a client that was killed had asked for may be answered to us: QEMU was still at it. From the answer to this on there is no more of that.
    private void Negotiate(Deadline deadline)
    {
        const string Capabilities = "qmp_capabilities";
        try
        {
            _socket.Send(Encode(Capabilities), deadline);
            while (true)
            {
                var line = ReadLine(deadline);
                var answer = TryParse(line);
                if (answer is null || !IsLate(answer))
                    throw Break($"'{Capabilities}' was answered with {Shown(line)}");
                if (answer["error"]?["desc"] is { } reason && (string?)answer["id"] is null or Capabilities)
                    throw new VmmException($"QEMU of {_subject} refused '{Capabilities}': {reason}");
                if (answer.ContainsKey("return") && (string?)answer["id"] == Capabilities)
                    return;
                if (deadline.RemainingMs == 0)
                    throw Break($"'{Capabilities}' was not answered");
            }
        }
        catch (LinuxException e)
        {
            throw Break($"'{Capabilities}': {e.Message}", e);
        }
    }

    private static bool IsLate(JsonObject? line) => line is not null && (line.ContainsKey("event") || line.ContainsKey("return") || line.ContainsKey("error"));

    private static JsonObject? TryParse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonNode.Parse(line, documentOptions: AnyDepth) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

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
                if (IsAnswer(command, line))
                    return line;
                // an event; a flood of them is no answer
                if (deadline.RemainingMs == 0)
                    throw Break($"{Name(command)}: only events came");
            }
        }
        catch (LinuxException e)
        {
            throw Break($"{Name(command)}: {e.Message}", e);
        }
    }

    // As QEMU writes its answers and events, without a parser: this is inside the pause.
    private bool IsAnswer(byte[] command, ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("{\"return\""u8) && IdOf(line, "\"id\": \""u8).SequenceEqual(IdOf(command, "\"id\":\""u8)))
            return true;
        return !line.StartsWith("{\"timestamp\""u8) && IsAnswerOfAnotherForm(command, line);
    }

    // An error for this command leaves the connection usable; anything else means that answers and commands are out of step.
    private bool IsAnswerOfAnotherForm(byte[] command, ReadOnlySpan<byte> line)
    {
        try
        {
            var answer = JsonNode.Parse(line, documentOptions: AnyDepth)!.AsObject();
            if (answer.ContainsKey("event"))
                return false;
            var id = (string?)answer["id"];
            if (answer.ContainsKey("return") && id == NameOf(command))
                return true;
            if (answer["error"]?["desc"] is { } reason && (id ?? NameOf(command)) == NameOf(command))
                throw new VmmException($"QEMU of {_subject} refused {Name(command)}: {reason}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NullReferenceException)
        {
            // told below
        }
        throw Break($"{Name(command)} was answered with {Shown(line)}");
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
                throw Break("it closed the connection");
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
        if (_buffer.Length >= MaxLine)
            throw Break($"it sent more than {MaxLine >> 20} MiB without an end");
        Array.Resize(ref _buffer, _buffer.Length * 2);
    }

    private VmmException Break(string reason, Exception? cause = null)
    {
        _broken = reason;
        return new VmmException($"The monitor of {_subject} is of no use any more: {reason}", cause);
    }

    private static ReadOnlySpan<byte> IdOf(ReadOnlySpan<byte> message, ReadOnlySpan<byte> key)
    {
        var at = message.LastIndexOf(key);
        if (at < 0)
            return default;
        var rest = message[(at + key.Length)..];
        var end = rest.IndexOf((byte)'"');
        return end < 0 ? default : rest[..end];
    }

    private static string NameOf(byte[] command) => Encoding.UTF8.GetString(IdOf(command, "\"id\":\""u8));

    private static string Name(byte[] command) => $"'{NameOf(command)}'";

    private static string Shown(ReadOnlySpan<byte> line)
    {
        var text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, 120)]).Trim();
        return line.Length > 120 ? text + "…" : text;
    }
}
