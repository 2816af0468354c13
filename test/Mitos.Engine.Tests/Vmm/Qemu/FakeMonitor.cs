using System.Net.Sockets;
using System.Text;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Vmm.Qemu;

/// <summary>A monitor on the wire that says what a test lets it say, true or not.</summary>
internal sealed class FakeMonitor : IDisposable
{
    public const string Greeting = """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}""" + "\r\n";

    private readonly Scratch _scratch = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private Task _serving = Task.CompletedTask;

    public FakeMonitor()
    {
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen(1);
    }

    public string Path => _scratch["monitor"];

    /// <summary>Greets and answers the negotiation as QEMU does, then runs the script.</summary>
    public FakeMonitor Serve(Action<Peer> script) => ServeRaw(peer =>
    {
        peer.Say(Greeting);
        peer.Answer("{}");
        script(peer);
    });

    /// <summary>Runs a script from the first byte on. It ends when the client does.</summary>
    public FakeMonitor ServeRaw(Action<Peer> script)
    {
        _serving = Task.Run(() =>
        {
            using var socket = _listener.Accept();
            socket.ReceiveTimeout = socket.SendTimeout = 60_000;
            try
            {
                script(new Peer(socket));
            }
            catch (SocketException)
            {
                // the client had enough
            }
        });
        return this;
    }

    public void Dispose()
    {
        _listener.Dispose();
        Assert.True(_serving.Wait(TimeSpan.FromSeconds(90)), "the script did not end");
        _scratch.Dispose();
    }

    /// <summary>The monitor's side of the connection.</summary>
    internal sealed class Peer(Socket socket)
    {
        private readonly StringBuilder _received = new();

        public void Say(string text) => Say(Encoding.UTF8.GetBytes(text));

        public void Say(byte[] bytes)
        {
            for (var sent = 0; sent < bytes.Length;)
                sent += socket.Send(bytes, sent, bytes.Length - sent, SocketFlags.None);
        }

        /// <summary>Waits for a command and returns it; empty when the client has closed.</summary>
        public string Hear()
        {
            var buffer = new byte[4096];
            while (!_received.ToString().Contains('\n', StringComparison.Ordinal))
            {
                var got = socket.Receive(buffer);
                if (got == 0)
                    return "";
                _received.Append(Encoding.UTF8.GetString(buffer, 0, got));
            }
            var all = _received.ToString();
            var line = all[..all.IndexOf('\n', StringComparison.Ordinal)];
            _received.Remove(0, line.Length + 1);
            return line;
        }

        /// <summary>Waits for a command and returns its name.</summary>
        public string HearName() => (string)System.Text.Json.Nodes.JsonNode.Parse(Hear())!["execute"]!;

        /// <summary>Waits for a command and answers it as QEMU does.</summary>
        public void Answer(string result)
        {
            var name = HearName();
            Say($"{{\"return\": {result}, \"id\": \"{name}\"}}\r\n");
        }

        /// <summary>Waits until the client closes.</summary>
        public void AwaitEnd()
        {
            while (Hear().Length > 0)
            {
            }
        }

        public void Hold() => AwaitEnd();
    }
}
