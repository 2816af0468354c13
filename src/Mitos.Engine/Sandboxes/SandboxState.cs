namespace Mitos.Engine.Sandboxes;

/// <summary>Where a sandbox is in its life.</summary>
public enum SandboxState
{
    /// <summary>Its machine is being made; it cannot be used yet.</summary>
    Starting,
    /// <summary>Usable.</summary>
    Running,
    /// <summary>Kept on disk as it was; it has no machine until it is resumed.</summary>
    Paused,
    /// <summary>Its machine ended by itself (power-off inside, VMM killed, guest panic). It can only be inspected and removed.</summary>
    Stopped,
}
