using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Mitos.Probe.Tests.Vmm;

/// <summary>QEMU's monitor: one command, one answer.</summary>
public sealed class Qmp : IDisposable
{
    private readonly Socket _socket;
    private readonly StreamReader _reader;

    private Qmp(Socket socket)
    {
        _socket = socket;
        _reader = new StreamReader(new NetworkStream(socket));
    }

    public static async Task<Qmp> ConnectAsync(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token);
                break;
            }
            catch (SocketException)
            {
                await Task.Delay(5, limit.Token);
            }
        }
        var qmp = new Qmp(socket);
        await qmp._reader.ReadLineAsync(limit.Token);
        await qmp.RunAsync("qmp_capabilities");
        return qmp;
    }

    public async Task<JsonNode?> RunAsync(string command, JsonObject? arguments = null)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null)
            request["arguments"] = arguments;
        await _socket.SendAsync(System.Text.Encoding.UTF8.GetBytes(request.ToJsonString() + "\n"));
        while (true)
        {
            var answer = JsonNode.Parse(await _reader.ReadLineAsync() ?? throw new IOException("QEMU closed its monitor."))!.AsObject();
            if (answer.ContainsKey("error"))
                throw new InvalidOperationException($"QEMU refused {command}: {answer["error"]!["desc"]}");
            if (answer.TryGetPropertyValue("return", out var value))
                return value;
        }
    }

    public void Dispose() => _socket.Dispose();
}
