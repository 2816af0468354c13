namespace Mitos.Protocol;

/// <summary>Versions of the protocol between host and guest agent. Both sides refuse a peer whose <see cref="Current"/> differs.</summary>
public static class ProtocolVersion
{
    /// <summary>The version that this build speaks.</summary>
    public const ushort Current = 3;
}
