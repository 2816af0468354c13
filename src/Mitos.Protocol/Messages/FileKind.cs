namespace Mitos.Protocol.Messages;

/// <summary>What a path in the guest is.</summary>
public enum FileKind
{
    Other = 0,
    File = 1,
    Directory = 2,
    Link = 3,
}
