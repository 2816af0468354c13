using Mitos.Guest.Loop;
using Mitos.Guest.Sessions;
using Mitos.Guest.Streams;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Ports;

/// <summary>The streams of the current host to ports inside the guest. Another host's are broken off: nobody can want them.</summary>
internal sealed class PortTable
{
    private const int MaxOpen = 1024;
    private readonly EventLoop _loop;
    private readonly EndpointTable _endpoints;
    private readonly HashSet<PortEndpoint> _open = [];

    public PortTable(EventLoop loop, EndpointTable endpoints, Session session)
    {
        (_loop, _endpoints) = (loop, endpoints);
        session.ClientChanged += () =>
        {
            foreach (var port in _open)
                Close(port, reset: true);
        };
    }

    /// <summary>Connects to a port of 127.0.0.1, or else of ::1.</summary>
    /// <exception cref="AgentError">InvalidArgument, Exhausted.</exception>
    public void Open(ProcessKey key, int port, Action<AgentError?> done)
    {
        if (port is < 1 or > ushort.MaxValue)
            throw AgentError.Invalid($"There is no port {port}; they are 1 to {ushort.MaxValue}");
        if (_open.Count >= MaxOpen)
            throw new AgentError(AgentErrorCode.Exhausted, $"{MaxOpen} streams to ports are open; close some first");
        PortConnector.Connect(_loop, port, (socket, error) =>
        {
            try
            {
                if (error is null)
                    Add(new PortEndpoint(_loop, key, socket, _endpoints.Send));
            }
            catch (AgentError e)
            {
                error = e;
            }
            done(error);
        });
    }

    public void Close(PortEndpoint port, bool reset)
    {
        _open.Remove(port);
        _endpoints.Remove(port);
        port.Close(reset);
    }

    private void Add(PortEndpoint port)
    {
        _endpoints.Add(port);
        _open.Add(port);
    }
}
