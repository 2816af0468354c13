namespace Mitos.Protocol.Messages;

/// <summary>What happened to a file that is watched.</summary>
public enum FileEventKind
{
    Created = 1,
    /// <summary>Its content changed.</summary>
    Modified = 2,
    Removed = 3,
    /// <summary>It has a new path, within what is watched.</summary>
    Moved = 4,
    /// <summary>Its mode, owner or times changed.</summary>
    Attributes = 5,
    /// <summary>Events were lost: what is watched must be looked at anew.</summary>
    Overflow = 6,
}
