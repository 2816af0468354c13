using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Snapshots;

/// <summary>
/// Captures on disk: a directory each, with <c>capture</c> and <c>snapshot.json</c>, made under another name and renamed when it is whole.
/// Each holds a use of its disk layers.
/// </summary>
internal sealed class SnapshotStore
{
    private const string DraftSuffix = ".draft", Pages = "capture", Record = "snapshot.json";
    private readonly string _directory;
    private readonly GenerationStore _generations;
    private readonly LayerStore _layers;
    private readonly ConcurrentDictionary<string, SnapshotRecord> _records = new();

    /// <summary>Reads what is there, and deletes what was left half-made.</summary>
    public SnapshotStore(string directory, GenerationStore generations, LayerStore layers)
    {
        (_directory, _generations, _layers) = (directory, generations, layers);
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var path in Directory.EnumerateDirectories(directory))
        {
            var id = Path.GetFileName(path);
            if (id.EndsWith(DraftSuffix, StringComparison.Ordinal))
            {
                TryDelete(path);
            }
            else if (Journal.TryRead(Path.Combine(path, Record), EngineJson.Default.SnapshotRecord) is { IsSound: true } record && record.Id == id)
            {
                layers.Acquire(record.Frozen.Select(LayerId.Parse));
                _records[id] = record;
            }
            else
            {
                Unreadable.Add(path);
            }
        }
    }

    /// <summary>Directories whose record cannot be read: what they need is unknown.</summary>
    public List<string> Unreadable { get; } = [];

    /// <summary>All, also those of paused sandboxes.</summary>
    public IReadOnlyCollection<SnapshotRecord> All => [.. _records.Values];

    public SnapshotRecord? TryGet(string id) => _records.GetValueOrDefault(id);

    public static string NewId() => RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", 20);

    /// <summary>Writes a capture.</summary>
    /// <param name="capture">Stays the caller's.</param>
    /// <param name="source">The sandbox that it is of.</param>
    /// <param name="name">Given by the user.</param>
    /// <param name="paused">Whether the sandbox is paused in it.</param>
    /// <param name="memory">Whether its memory is kept, or its files only.</param>
    /// <exception cref="IOException">The disk is full; nothing is left behind.</exception>
    public async Task<SnapshotRecord> SaveAsync(Capture capture, SandboxRecord source, string? name, bool paused, bool memory = true)
    {
        var id = NewId();
        var final = Path.Combine(_directory, id);
        var draft = final + DraftSuffix;
        Directory.CreateDirectory(draft, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            using var root = OpenRoot(capture.Generation);
            var saved = memory ? await WritePagesAsync(Path.Combine(draft, Pages), root, capture) : default;
            var record = new SnapshotRecord
            {
                Id = id,
                Name = name,
                PausedSandbox = paused ? source.Id : null,
                Source = source,
                CreatedAt = DateTimeOffset.UtcNow,
                Generation = root.Record,
                Frozen = capture.Disk.Frozen.Select(layer => layer.ToString()).ToList(),
                FilesOnly = !memory,
                DeltaBytes = saved.Delta,
                FileBytes = saved.Length,
                Checksum = saved.Checksum ?? "",
            };
            Journal.Write(Path.Combine(draft, Record), record, EngineJson.Default.SnapshotRecord);
            Directory.Move(draft, final);
            _layers.Acquire(capture.Disk.Frozen);
            _records[id] = record;
            return record;
        }
        catch
        {
            Directory.Delete(draft, recursive: true);
            throw;
        }
    }

    /// <summary>The capture, in memory again. The caller disposes it.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it is damaged, or of another VMM.</exception>
    public async Task<Capture> OpenAsync(SnapshotRecord record, string vmm)
    {
        using var generation = _generations.Open(record.Generation.Id, vmm);
        try
        {
            var (state, pages) = await SnapshotFile.ReadAsync(PagesOf(record), record.Checksum);
            return new Capture(generation, DiskOf(record), state, pages.Runs, pages.Pages, _layers, pages.Regions);
        }
        catch (Exception e) when (SavedDelta.IsDamage(e))
        {
            throw SavedDelta.Damaged(record, e);
        }
    }

    /// <summary>The capture for one machine: its pages go there from the file. The caller disposes it.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it is damaged, which may be seen only when its pages are read; or of another VMM.</exception>
    public Capture OpenForOne(SnapshotRecord record, string vmm)
    {
        using var generation = _generations.Open(record.Generation.Id, vmm);
        SnapshotReader? reader = null;
        try
        {
            reader = SnapshotReader.Open(PagesOf(record), record.Checksum);
            return new Capture(generation, DiskOf(record), reader.State, reader.Runs, null, _layers, reader.Regions) { Saved = new SavedDelta(reader, record) };
        }
        catch (Exception e)
        {
            reader?.Dispose();
            if (SavedDelta.IsDamage(e))
                throw SavedDelta.Damaged(record, e);
            throw;
        }
    }

    /// <summary>Deletes it. Machines that came of it have their own uses of its layers.</summary>
    /// <returns>False when another did.</returns>
    /// <exception cref="IOException">It is still there.</exception>
    public bool Delete(string id)
    {
        if (!_records.TryRemove(id, out var record))
            return false;
        var path = Path.Combine(_directory, id);
        var draft = path + DraftSuffix; // what is deleted by halves is not there
        try
        {
            Directory.Move(path, draft);
        }
        catch
        {
            _records[id] = record;
            throw;
        }
        _layers.Release(record.Frozen.Select(LayerId.Parse));
        TryDelete(draft); // it is no snapshot any more, whatever is left of it
        return true;
    }

    // What cannot be deleted is in nobody's way: the next start tries again.
    private static void TryDelete(string draft)
    {
        try
        {
            Directory.Delete(draft, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static async Task<(long Delta, long Length, string? Checksum)> WritePagesAsync(string path, Generation root, Capture capture)
    {
        var own = root.Id == capture.Generation.Id;
        var pages = own ? CapturedPages.Of(capture) : await Task.Run(() => CapturedPages.Against(root, capture));
        try
        {
            var (length, checksum) = await SnapshotFile.WriteAsync(path, capture.DeviceState, pages);
            return (pages.Bytes, length, checksum);
        }
        finally
        {
            if (!own)
                pages.Pages?.Dispose();
        }
    }

    private string PagesOf(SnapshotRecord record) => Path.Combine(_directory, record.Id, Pages);

    private static DiskStack DiskOf(SnapshotRecord record) => new(record.Generation.BaseImage, [.. record.Frozen.Select(LayerId.Parse)]);

    // The generation with files that a machine descends from: pages on disk must be a delta of something that stays.
    private Generation OpenRoot(Generation generation) => generation.Record.Persistent ? generation.Acquire()
        : _generations.Open(generation.Record.Root ?? throw new InvalidOperationException($"Generation {generation.Id} does not say what it descends from."), generation.Record.Vmm);
}
