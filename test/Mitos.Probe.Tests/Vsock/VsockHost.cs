using System.Net.Sockets;
using System.Text;

namespace Mitos.Probe.Tests.Vsock;

/// <summary>
/// A vsock device behind a real QEMU, with Firecracker's face to the host: a unix socket on which <c>CONNECT port</c> opens a stream to
/// the guest (docs/vsock.md of Firecracker). Keeps to the guest's credit and grants a window of a chosen size.
/// </summary>
public sealed class VsockHost : IDisposable
{
    public const ulong GuestContextId = 3;
    private const int MaxData = 3600; // Linux gives buffers of one page, and keeps a part of each for itself
    private readonly string _directory = Directory.CreateTempSubdirectory("mitos-vsock-").FullName;
    private readonly Socket _qemu, _host;
    private readonly Dictionary<uint, VsockStream> _streams = [];
    private readonly Queue<(VsockHeader Header, byte[] Bytes)> _toGuest = [];
    private readonly Thread _thread;
    private readonly uint _window;
    private volatile bool _ending, _reset;
    private volatile Exception? _failure;
    private uint _lastPort = 1 << 30;

    /// <param name="window">Bytes that the guest may send before the host has read.</param>
    public VsockHost(uint window)
    {
        _window = window;
        _qemu = Listen(DevicePath);
        _host = Listen(HostPath);
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>Why it is no device any more; null: it is one.</summary>
    public Exception? Failure => _failure;

    /// <summary>For QEMU's vhost-user-vsock-device.</summary>
    public string DevicePath => Path.Combine(_directory, "device");

    /// <summary>For the host's programs.</summary>
    public string HostPath => Path.Combine(_directory, "v.sock");

    /// <summary>Packets from the guest so far, of each kind.</summary>
    public Dictionary<VsockOperation, int> Seen { get; } = [];

    /// <summary>
    /// Forgets all streams, as Firecracker does at each snapshot, and interrupts the guest. The event that tells the guest of it is the caller's to
    /// place, for QEMU serves the queue of events itself.
    /// </summary>
    public void Reset()
    {
        _reset = true;
        while (_reset && _failure is null)
            Thread.Sleep(1);
    }

    public void Dispose()
    {
        _ending = true;
        _thread.Join();
        _qemu.Dispose();
        _host.Dispose();
        foreach (var stream in _streams.Values)
            stream.Socket.Dispose();
        Directory.Delete(_directory, recursive: true);
        if (_failure is not null)
            throw new InvalidOperationException("The vsock device failed.", _failure);
    }

    private static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen();
        return socket;
    }

    private void Run()
    {
        try
        {
            while (!_ending && !_qemu.Poll(1000, SelectMode.SelectRead))
            {
            }
            if (_ending)
                return;
            using var device = new VhostUser(_qemu.Accept(), GuestContextId);
            while (!_ending && device.Poll())
            {
                var before = _toGuest.Count;
                if (_reset)
                    ForgetStreams(device);
                AcceptHosts();
                foreach (var stream in _streams.Values.ToList())
                    ReadHost(stream);
                var busy = TakeFromGuest(device) | GiveToGuest(device);
                if (!busy && before == _toGuest.Count)
                    Thread.Sleep(1);
            }
        }
        catch (Exception e)
        {
            _failure = e;
            foreach (var stream in _streams.Values)
                stream.Socket.Dispose(); // so that nobody waits
        }
    }

    private void ForgetStreams(VhostUser device)
    {
        foreach (var stream in _streams.Values)
            stream.Socket.Dispose();
        _streams.Clear();
        _toGuest.Clear();
        device.Queues[0].Interrupt();
        _reset = false;
    }

    private void AcceptHosts()
    {
        while (_host.Poll(0, SelectMode.SelectRead))
        {
            var stream = new VsockStream(_host.Accept(), ++_lastPort);
            _streams[stream.HostPort] = stream;
        }
    }

    private void ReadHost(VsockStream stream)
    {
        // No more than the guest has room for.
        var room = stream.IsOpen ? (int)Math.Min(MaxData, stream.GuestWindow - (stream.Sent - stream.GuestForwarded)) : 64;
        if (stream.IsEnding || (stream.IsAsking && !stream.IsOpen) || room == 0 || !stream.Socket.Poll(0, SelectMode.SelectRead))
            return;
        var bytes = new byte[room];
        int got;
        try
        {
            got = stream.Socket.Receive(bytes, stream.IsOpen ? SocketFlags.None : SocketFlags.Peek);
        }
        catch (SocketException)
        {
            got = 0;
        }
        if (got == 0)
        {
            stream.IsEnding = true;
            if (stream.IsOpen)
                Send(stream, VsockOperation.Shutdown, [], flags: 3);
            else
                Close(stream);
        }
        else if (stream.IsOpen)
        {
            stream.Sent += (uint)got;
            Send(stream, VsockOperation.Data, bytes[..got]);
        }
        else if (bytes.AsSpan(0, got).IndexOf((byte)'\n') is var end and >= 0)
        {
            stream.Socket.Receive(bytes, end + 1, SocketFlags.None);
            stream.GuestPort = uint.Parse(Encoding.ASCII.GetString(bytes, 0, end).Split(' ')[1]);
            stream.IsAsking = true;
            Send(stream, VsockOperation.Request, []);
        }
    }

    private bool TakeFromGuest(VhostUser device)
    {
        var any = false;
        while (device.Queues[1].TryTake(device.Memory, out var head, out var buffers))
        {
            any = true;
            var packet = buffers.SelectMany(buffer => device.Memory.FromGuest(buffer.Address, buffer.Length).ToArray()).ToArray();
            device.Queues[1].Return(head, 0);
            var header = VsockHeader.Read(packet);
            if (header.From != GuestContextId || header.To != 2 || header.Length != packet.Length - VsockHeader.Bytes)
                throw new InvalidDataException($"The guest sent a packet that makes no sense: {header}.");
            lock (Seen)
                Seen[header.Operation] = Seen.GetValueOrDefault(header.Operation) + 1;
            if (_streams.TryGetValue(header.ToPort, out var stream) && stream.GuestPort == header.FromPort)
                OnPacket(stream, header, packet[VsockHeader.Bytes..]);
        }
        return any;
    }

    private void OnPacket(VsockStream stream, VsockHeader header, byte[] bytes)
    {
        (stream.GuestWindow, stream.GuestForwarded) = (header.Window, header.Forwarded);
        switch (header.Operation)
        {
            case VsockOperation.Response:
                stream.IsOpen = true;
                stream.Socket.Send(Encoding.ASCII.GetBytes($"OK {stream.HostPort}\n"));
                break;
            case VsockOperation.Data:
                stream.Received += (uint)bytes.Length;
                if (stream.Received - stream.Announced > _window)
                    throw new InvalidDataException($"The guest sent {stream.Received - stream.Announced} bytes into a window of {_window}.");
                if (!stream.IsEnding)
                    stream.Socket.Send(bytes);
                stream.Announced = stream.Received;
                Send(stream, VsockOperation.CreditUpdate, []);
                break;
            case VsockOperation.Reset:
                Close(stream);
                break;
            case VsockOperation.CreditRequest:
                Send(stream, VsockOperation.CreditUpdate, []);
                break;
        }
    }

    private bool GiveToGuest(VhostUser device)
    {
        var any = false;
        while (_toGuest.Count > 0 && device.Queues[0].TryTake(device.Memory, out var head, out var buffers))
        {
            any = true;
            var (header, bytes) = _toGuest.Dequeue();
            var packet = new byte[VsockHeader.Bytes + bytes.Length];
            header.Write(packet);
            bytes.CopyTo(packet, VsockHeader.Bytes);
            device.Queues[0].Return(head, DeviceQueue.Scatter(device.Memory, buffers, packet));
        }
        return any;
    }

    private void Send(VsockStream stream, VsockOperation operation, byte[] bytes, uint flags = 0) =>
        _toGuest.Enqueue((new VsockHeader(2, GuestContextId, stream.HostPort, stream.GuestPort, (uint)bytes.Length, operation, flags, _window, stream.Received), bytes));

    private void Close(VsockStream stream)
    {
        stream.Socket.Dispose();
        _streams.Remove(stream.HostPort);
    }

    private sealed class VsockStream(Socket socket, uint hostPort)
    {
        public Socket Socket { get; } = socket;

        public uint HostPort { get; } = hostPort;

        public uint GuestPort { get; set; }

        public bool IsAsking { get; set; }

        public bool IsOpen { get; set; }

        public bool IsEnding { get; set; }

        public uint GuestWindow { get; set; }

        public uint GuestForwarded { get; set; }

        public uint Sent { get; set; }

        public uint Received { get; set; }

        public uint Announced { get; set; }
    }
}
