using System.Net.Sockets;
using System.Text;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>
/// Firecracker's vsock as hosts see it: a unix socket, on which <c>CONNECT port</c> asks for a stream to the guest. The probe listens at port
/// 1024. A snapshot ends the guest's side of all streams; the host learns it when it sends next.
/// </summary>
internal sealed class VsockDevice
{
    private readonly Socket _listener;
    private readonly Planner _planner;
    private Socket? _current;
    private uint _lastPort = 1 << 30;

    /// <exception cref="SocketException">The path exists, or cannot be made.</exception>
    public VsockDevice(string path, Planner planner)
    {
        _planner = planner;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
    }

    public void Serve(FakeMachine machine) => new Thread(() =>
    {
        while (true)
        {
            var host = _listener.Accept();
            new Thread(() => ServeHost(machine, host)) { IsBackground = true }.Start();
        }
    })
    { IsBackground = true }.Start();

    private void ServeHost(FakeMachine machine, Socket host)
    {
        using (host)
        {
            try
            {
                if (TryAccept(machine, host))
                    ServeStream(machine, host);
            }
            catch (SocketException)
            {
                // the host is gone
            }
            catch (ObjectDisposedException)
            {
                // another host took its place
            }
        }
    }

    private bool TryAccept(FakeMachine machine, Socket host)
    {
        var port = ReadPort(host);
        var rule = _planner.Begin("connect");
        if (rule?.Do is FakeAct.Refuse or FakeAct.Cut || port is null)
            return false;
        if (rule?.Do == FakeAct.Babble)
            host.Send(Encoding.UTF8.GetBytes(rule.Text));
        machine.WaitForGuest();
        if (port != ProbeEndpoint.VsockPort)
            return false;
        if (!machine.Connect())
            Thread.Sleep(Timeout.Infinite); // a halted guest answers nothing, and refuses nothing
        Interlocked.Exchange(ref _current, host)?.Dispose();
        host.Send(Encoding.ASCII.GetBytes($"OK {Interlocked.Increment(ref _lastPort)}\n"));
        return true;
    }

    private static int? ReadPort(Socket host)
    {
        var line = new StringBuilder();
        var next = new byte[1];
        while (line.Length < 32 && host.Receive(next) == 1)
        {
            if (next[0] == '\n')
                return line.ToString().Split(' ') is ["CONNECT" or "connect", var port] && int.TryParse(port, out var number) ? number : null;
            line.Append((char)next[0]);
        }
        return null;
    }

    private static void ServeStream(FakeMachine machine, Socket host)
    {
        var resets = machine.Resets;
        var reader = new FrameReader();
        var buffer = new byte[16 << 10];
        while (host.Receive(buffer) is var got and > 0)
        {
            machine.WaitForGuest();
            if (machine.Resets != resets)
                return; // the guest does not know this stream any more
            var answers = new List<byte[]>();
            var ends = false;
            reader.Push(buffer.AsSpan(0, got), (in Frame frame) =>
            {
                if (machine.Run(frame.Type, frame.Payload.ToArray()) is not { } answer)
                    return;
                var writer = new FrameWriter();
                writer.Begin().Raw(answer.Payload);
                answers.Add([0, .. writer.Finish(frame.Session, frame.Id, answer.Type)]);
                ends |= frame.Type == (MessageType)ProbeMessage.PowerOff && answer.Type == MessageType.Ok;
            });
            foreach (var answer in answers)
                host.Send(answer);
            if (ends)
                Environment.Exit(0);
        }
    }
}
