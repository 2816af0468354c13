namespace Mitos.Protocol.Messages;

/// <summary>Where hosts find the agent.</summary>
public static class AgentPort
{
    /// <summary>The vsock port on which it listens where there is no virtio-serial port.</summary>
    public const int Vsock = 1024;
}
