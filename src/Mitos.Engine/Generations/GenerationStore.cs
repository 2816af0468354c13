using System.Collections.Concurrent;
using System.Security.Cryptography;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Recovery;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Generations;

/// <summary>
/// The generations of this host. A template's has a directory with <c>memory</c> (sparse), <c>state</c> and
/// <c>generation.json</c>, written last; in use its memory is a sealed memory file, filled from there after a check of its sum.
/// </summary>
public sealed class GenerationStore(string directory, LayerStore layers)
{
    private readonly ConcurrentDictionary<string, Generation> _loaded = new();
    private readonly Lock _loading = new();

    /// <summary>Seals what a machine's memory file holds as a new generation with files.</summary>
    /// <param name="memory">Memory of a machine that has ended.</param>
    /// <param name="state">Its device state.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="disk">Its disk, all frozen.</param>
    /// <param name="vmm">Fingerprint of the VMM.</param>
    /// <exception cref="IOException">The disk is full; nothing is left behind.</exception>
    public GenerationRecord Save(MemoryFile memory, byte[] state, MachineShape shape, DiskStack disk, string vmm)
    {
        var id = RandomNumberGenerator.GetHexString(16, lowercase: true);
        var final = Path.Combine(directory, id);
        var draft = final + ".draft";
        Directory.CreateDirectory(draft);
        try
        {
            (long Bytes, byte[] Checksum) copied;
            using (var file = File.OpenHandle(Path.Combine(draft, "memory"), FileMode.CreateNew, FileAccess.ReadWrite))
            {
                RandomAccess.SetLength(file, memory.Length);
                copied = GenerationMemory.Copy(memory.Handle, memory.Length, file);
                RandomAccess.FlushToDisk(file);
            }
            File.WriteAllBytes(Path.Combine(draft, "state"), state);
            var record = new GenerationRecord
            {
                Id = id,
                Shape = shape,
                BaseImage = disk.BaseImage,
                Layers = disk.Frozen.Select(layer => layer.ToString()).ToList(),
                Vmm = vmm,
                Persistent = true,
                ImageBytes = copied.Bytes,
                Checksum = Sum(copied.Checksum, state),
            };
            Journal.Write(Path.Combine(draft, "generation.json"), record, EngineJson.Default.GenerationRecord);
            Directory.Move(draft, final);
            return record;
        }
        catch
        {
            Directory.Delete(draft, recursive: true);
            throw;
        }
    }

    /// <summary>The generation, loaded. The caller disposes what it gets.</summary>
    /// <exception cref="SandboxException">NotFound; FailedPrecondition when its files are damaged or it was made by another VMM.</exception>
    public Generation Open(string id, string vmm)
    {
        lock (_loading)
        {
            if (!_loaded.TryGetValue(id, out var generation))
                _loaded[id] = generation = Load(id, vmm);
            return generation.Acquire();
        }
    }

    /// <summary>
    /// The generation that a running machine maps, taken back from it: at adoption there must not be a second copy of its memory.
    /// </summary>
    /// <remarks>The caller shares the result among the machines that map it; only a template's generation is remembered here.</remarks>
    /// <exception cref="LinuxException">The process has ended or holds no sealed memory there.</exception>
    public Generation Reopen(GenerationRecord record, int pid, int descriptor)
    {
        lock (_loading)
        {
            if (_loaded.TryGetValue(record.Id, out var generation))
                return generation.Acquire();
            var memory = MemoryFile.OpenSealed(pid, descriptor);
            var state = record.Persistent && TryReadState(record) is { } bytes ? bytes : [];
            generation = new Generation(record, memory, state, layers);
            if (record.Persistent)
            {
                _loaded[record.Id] = generation;
                return generation.Acquire();
            }
            return generation;
        }
    }

    /// <summary>Makes a generation that lives only as long as it is used.</summary>
    public Generation AddTransient(GenerationRecord record, MemoryFile memory) => new(record, memory, [], layers);

    /// <summary>Reads what is written of a generation, without loading it.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it is missing or damaged.</exception>
    public GenerationRecord Read(string id)
    {
        var path = Path.Combine(directory, id, "generation.json");
        return Journal.TryRead(path, EngineJson.Default.GenerationRecord) is { IsSound: true } record && record.Id == id
            ? record
            : throw new SandboxException(ErrorCode.FailedPrecondition, $"The generation {id} has no readable record at {path}.", "Build its template again: `mitos template build`.");
    }

    /// <summary>Forgets a generation's memory and deletes its files. Machines that map it keep it alive for themselves.</summary>
    public void Delete(string id)
    {
        lock (_loading)
        {
            if (_loaded.TryRemove(id, out var generation))
                generation.Dispose();
        }
        if (Directory.Exists(Path.Combine(directory, id)))
            Directory.Delete(Path.Combine(directory, id), recursive: true);
    }

    /// <summary>Deletes directories of generations that no template names: what a crash left.</summary>
    public void DeleteUnused(IReadOnlySet<string> used)
    {
        Directory.CreateDirectory(directory);
        foreach (var path in Directory.EnumerateDirectories(directory).Where(path => !used.Contains(Path.GetFileName(path))))
            Directory.Delete(path, recursive: true);
    }

    private Generation Load(string id, string vmm)
    {
        var record = Read(id);
        if (record.Vmm != vmm)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Generation {id} was made by {record.Vmm}; this host runs {vmm}.",
                "Build its template again: `mitos template build`.");
        }
        var memory = MemoryFile.Create($"generation-{id}", record.Shape.MemoryBytes);
        try
        {
            using var file = File.OpenHandle(Path.Combine(directory, id, "memory"));
            if (RandomAccess.GetLength(file) != memory.Length)
                throw Damaged(id, new EndOfStreamException($"the memory file has {RandomAccess.GetLength(file)} bytes instead of {memory.Length}"));
            var copied = GenerationMemory.Copy(file, memory.Length, memory.Handle);
            var state = File.ReadAllBytes(Path.Combine(directory, id, "state"));
            if (Sum(copied.Checksum, state) != record.Checksum)
                throw Damaged(id, null);
            memory.Seal();
            return new Generation(record, memory, state, layers);
        }
        catch (Exception e) when (e is IOException)
        {
            memory.Dispose();
            throw Damaged(id, e);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private static SandboxException Damaged(string id, Exception? cause) =>
        new(ErrorCode.FailedPrecondition, $"The files of generation {id} are damaged{(cause is null ? ": their checksum is not the recorded one" : $": {cause.Message}")}.",
            "Build its template again: `mitos template build`.", cause);

    private byte[]? TryReadState(GenerationRecord record)
    {
        var path = Path.Combine(directory, record.Id, "state");
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    private static string Sum(byte[] memory, byte[] state) => Convert.ToHexStringLower(SHA256.HashData([.. memory, .. SHA256.HashData(state)]));
}
