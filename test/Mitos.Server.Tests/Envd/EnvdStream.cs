using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.Tests.Envd;

/// <summary>What a streaming call answers.</summary>
internal sealed class EnvdStream(HttpResponseMessage response, Stream stream, MessageCodec codec) : IDisposable
{
    /// <summary>The next message; null: the stream ended in order.</summary>
    /// <exception cref="EnvdError">It ended with an error.</exception>
    /// <exception cref="IOException">It was cut.</exception>
    public async Task<T?> ReadAsync<T>()
        where T : class, IMessage<T>, new()
    {
        var header = new byte[ConnectFrames.Header];
        await stream.ReadExactlyAsync(header, ServerFixture.Soon);
        var message = new byte[BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(1))];
        await stream.ReadExactlyAsync(message, ServerFixture.Soon);
        if (header[0] == 0)
            return codec.Read<T>(message);
        Assert.Equal(ConnectFrames.End, header[0]);
        Assert.Equal(0, await stream.ReadAsync(new byte[1], ServerFixture.Soon));
        return JsonSerializer.Deserialize<JsonElement>(message).TryGetProperty("error", out var error) ? throw EnvdError.Read(error, 200) : null;
    }

    /// <summary>The first event of a process: its pid.</summary>
    public async Task<uint> ReadPidAsync() => (await ReadAsync<StartResponse>())!.Event.Start.Pid;

    /// <summary>All output of a process to its end, as one text, and the end.</summary>
    public async Task<(string Output, ProcessEvent.Types.EndEvent End)> ReadToEndAsync()
    {
        using var output = new MemoryStream();
        ProcessEvent.Types.EndEvent? end = null;
        while (await ReadAsync<StartResponse>() is { } next)
        {
            Assert.Null(end);
            end = next.Event.End;
            Take(next, output);
        }
        return (Encoding.UTF8.GetString(output.ToArray()), end!);
    }

    /// <summary>Reads output until it has this in it.</summary>
    public async Task<string> ReadUntilAsync(string expected)
    {
        using var output = new MemoryStream();
        while (!Encoding.UTF8.GetString(output.ToArray()).Contains(expected, StringComparison.Ordinal))
            Take(await ReadAsync<StartResponse>() ?? throw new InvalidDataException($"the stream ended; it had {Encoding.UTF8.GetString(output.ToArray())}"), output);
        return Encoding.UTF8.GetString(output.ToArray());
    }

    public void Dispose() => response.Dispose();

    private static void Take(StartResponse next, MemoryStream output)
    {
        if (next.Event.Data is not { } data)
            return;
        var bytes = data.OutputCase switch
        {
            ProcessEvent.Types.DataEvent.OutputOneofCase.Stdout => data.Stdout,
            ProcessEvent.Types.DataEvent.OutputOneofCase.Stderr => data.Stderr,
            _ => data.Pty,
        };
        Assert.InRange(bytes.Length, 1, data.OutputCase == ProcessEvent.Types.DataEvent.OutputOneofCase.Pty ? 16 << 10 : 32 << 10);
        bytes.WriteTo(output);
    }
}
