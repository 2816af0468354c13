using Mitos.Protocol.Messages;

namespace Mitos.Guest.Sessions;

/// <summary>Which request an answer belongs to, however late it comes.</summary>
/// <param name="Client">The host's client, over all its connections.</param>
/// <param name="Session">The connection that the request came by.</param>
/// <param name="Id">Of the request.</param>
/// <param name="Type">Of the request.</param>
internal readonly record struct RequestOrigin(UInt128 Client, ulong Session, uint Id, MessageType Type)
{
    /// <summary>Whether doing it twice would differ from doing it once; then its answer is kept for a host that asks again.</summary>
    public bool IsDoneOnce => Type is MessageType.Start or MessageType.Forget or MessageType.Signal or MessageType.CommitFile or MessageType.AbortFile
        or MessageType.MakeDirectory or MessageType.Move or MessageType.Remove or MessageType.Handshake or MessageType.OpenPort;
}
