using System.Net.Sockets;
using System.Text;

namespace Mitos.Probe;

/// <summary>Ways to a machine's probe.</summary>
public static class ProbeEndpoint
{
    /// <summary>The vsock port on which the probe listens.</summary>
    public const int VsockPort = 1024;

    /// <summary>A unix socket that carries the bytes as they are: QEMU's character device.</summary>
    public static Func<CancellationToken, ValueTask<Stream>> Socket(string path) => token => OpenAsync(path, token);

    /// <summary>The unix socket of Firecracker's vsock device: a greeting names the port.</summary>
    public static Func<CancellationToken, ValueTask<Stream>> Vsock(string path, int port = VsockPort) => async token =>
    {
        var stream = await OpenAsync(path, token);
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {port}\n"), token);
            var line = await ReadLineAsync(stream, token);
            // It closes without a word when nobody listens in the guest.
            return line.StartsWith("OK ", StringComparison.Ordinal) ? stream : throw new IOException($"Nobody listens at port {port} behind {path}: '{line}'.");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    };

    private static async ValueTask<Stream> OpenAsync(string path, CancellationToken token)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // One byte at a time: what follows the line belongs to the probe.
    private static async ValueTask<string> ReadLineAsync(Stream stream, CancellationToken token)
    {
        var line = new StringBuilder();
        var next = new byte[1];
        while (line.Length < 64 && await stream.ReadAsync(next, token) == 1 && next[0] != '\n')
            line.Append((char)next[0]);
        return line.ToString();
    }
}
