using Mitos.Engine.Vmm;

namespace Mitos.Engine.Forks;

/// <summary>Pages of a capture that are not in memory.</summary>
internal interface IDelta : IDisposable
{
    /// <summary>Writes all to a machine; once.</summary>
    /// <param name="pid">The VMM.</param>
    /// <param name="regions">Its memory: the regions of the capture, where it has them.</param>
    /// <exception cref="Errors.SandboxException">FailedPrecondition: they cannot be read, or are not what was captured; the machine must not run.</exception>
    /// <exception cref="Linux.LinuxException">The VMM is gone.</exception>
    void WriteTo(int pid, IReadOnlyList<GuestMemoryRegion> regions);
}
