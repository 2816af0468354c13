namespace Mitos.Engine.Sandboxes;

/// <summary>What one machine costs, in bytes, read from the kernel's page tables.</summary>
/// <param name="PrivateBytes">Pages of guest memory that only this machine has: those it got at birth and those it changed since.</param>
/// <param name="SharedBytes">Pages of its generation that it has mapped; they exist once for all machines of that generation.</param>
/// <param name="VmmBytes">Everything else of the VMM process that is its own (heap, stacks, translation cache).</param>
public readonly record struct MemoryUsage(long PrivateBytes, long SharedBytes, long VmmBytes);
