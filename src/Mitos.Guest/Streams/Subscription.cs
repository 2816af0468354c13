namespace Mitos.Guest.Streams;

/// <summary>A host's interest in the output of an endpoint. Its id is that of the request that made it.</summary>
internal sealed class Subscription(uint id, Endpoint endpoint)
{
    public uint Id { get; } = id;

    public Endpoint Endpoint { get; } = endpoint;

    /// <summary>Per output: the offset up to which bytes were sent.</summary>
    public ulong[] Sent { get; } = new ulong[2];

    /// <summary>Per output: the offset up to which the host has taken bytes.</summary>
    public ulong[] Acknowledged { get; } = new ulong[2];

    /// <summary>The host was told of the end.</summary>
    public bool EndSent { get; set; }

    /// <summary>The connection broke. It still guards its bytes, until the host is back or the grace has passed.</summary>
    public bool IsLost { get; set; }
}
