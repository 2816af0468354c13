namespace Mitos.Linux.Memory;

/// <summary>Consecutive pages of 4 KiB of a mapping.</summary>
/// <param name="First">Index of the first page, from the mapping's start.</param>
/// <param name="Count">Number of pages, at least 1.</param>
public readonly record struct PageRun(int First, int Count);
