namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>How a machine's device state is had, the best first. The self-test says which one a binary can.</summary>
public enum FirecrackerSave
{
    /// <summary>A snapshot whose memory file cannot be opened: the state is written before.</summary>
    StateOnly,

    /// <summary>A Diff snapshot whose memory is thrown away: documented, and as long as writing what is dirty.</summary>
    Diff,
}
