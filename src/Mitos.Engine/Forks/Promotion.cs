using System.Security.Cryptography;
using Mitos.Engine.Generations;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>
/// Turns a capture into a generation of its own, generation + delta, so that its children share what they would else each
/// hold: when the delta times the children is more than one full image. Never inside a pause.
/// </summary>
internal static class Promotion
{
    /// <summary>Deltas below this are cheaper to copy than to promote.</summary>
    private const long SmallDelta = 8L << 20;

    /// <summary>Whether <paramref name="children"/> children cost less memory on a generation of their own.</summary>
    public static bool Pays(Capture capture, int children) =>
        capture.DeltaBytes >= SmallDelta && capture.DeltaBytes * (children - 1) > capture.Generation.Record.ImageBytes;

    /// <summary>Writes the new generation's memory once and seals it.</summary>
    /// <param name="capture">Stays as it is.</param>
    /// <param name="store">Keeps nothing of it: it lives as long as it is used.</param>
    /// <returns>The generation; the caller disposes it.</returns>
    /// <exception cref="IOException">No memory.</exception>
    public static Generation Promote(Capture capture, GenerationStore store)
    {
        var old = capture.Generation;
        var memory = MemoryFile.Create($"generation-of-{old.Id}", old.Memory.Length);
        try
        {
            var bytes = GenerationMemory.CopyData(old.Memory, memory);
            GenerationMemory.Apply(memory, capture.Runs, capture.Regions, capture.Pages!);
            memory.Seal();
            var record = old.Record with
            {
                Id = RandomNumberGenerator.GetHexString(16, lowercase: true),
                Persistent = false,
                Root = old.Record.Persistent ? old.Id : old.Record.Root,
                Checksum = "",
                ImageBytes = bytes + capture.DeltaBytes,
                Layers = capture.Disk.Frozen.Select(layer => layer.ToString()).ToList(),
            };
            return store.AddTransient(record, memory);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }
}
