using System.Collections.Concurrent;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates.Recipes;

namespace Mitos.Engine.Templates;

/// <summary>The templates of this host: names, and the generations made from them. One file each, replaced as a whole.</summary>
public sealed class TemplateRegistry
{
    private readonly string _directory;
    private readonly GenerationStore _generations;
    private readonly LayerStore _layers;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, TemplateRecord> _records = new();
    private readonly List<string> _unreadable;

    public TemplateRegistry(string directory, GenerationStore generations, LayerStore layers)
    {
        _directory = directory;
        _generations = generations;
        _layers = layers;
        Directory.CreateDirectory(directory);
        Journal.DeleteDrafts(directory);
        _unreadable = Directory.GetFiles(directory, "*.json").Where(path => !TryLoad(path)).ToList();
    }

    /// <summary>Records that cannot be read, or whose generation's cannot: not in use, and what they name is unknown.</summary>
    public IReadOnlyList<string> Unreadable => _unreadable;

    /// <summary>Called when the last unreadable record was replaced: what nobody names can go then.</summary>
    public Action AllReadable { get; set; } = () => { };

    /// <summary>All, also the shapes that were made of <c>base</c> on demand.</summary>
    public IReadOnlyCollection<TemplateRecord> All => [.. _records.Values];

    public IReadOnlySet<string> UsedGenerations => _records.Values.Select(record => record.Generation).ToHashSet();

    public TemplateRecord? TryGet(string name) => _records.GetValueOrDefault(name);

    /// <exception cref="SandboxException">NotFound, with what to do.</exception>
    public TemplateRecord Get(string name) => TryGet(name) ?? throw SandboxException.NotFound("template", name, RemedyFor(name));

    /// <summary>A template cannot stand on itself: none of its ancestors could ever be removed.</summary>
    /// <exception cref="SandboxException">InvalidArgument.</exception>
    public void CheckParent(string name, string? from)
    {
        for (var at = from; at is not null; at = TryGet(at)?.From)
        {
            if (at == name)
                throw SandboxException.Invalid($"The template '{name}' cannot be built on '{from}', which is built on it{(from == name ? " itself" : "")}.", "Build it under another name.");
        }
    }

    public GenerationRecord GenerationOf(TemplateRecord template) => _generations.Read(template.Generation);

    /// <summary>Writes a template; the one of that name before it goes. One build at a time.</summary>
    public void Put(TemplateRecord record)
    {
        _layers.Acquire(_generations.Read(record.Generation).Layers.Select(LayerId.Parse));
        TemplateRecord? old;
        lock (_lock)
        {
            old = TryGet(record.Name);
            Write(old is null ? record : record with { Metadata = old.Metadata ?? record.Metadata, Spawned = old.Spawned, LastSpawnedAt = old.LastSpawnedAt });
        }
        if (old is not null)
            Forget(old);
        if (_unreadable.Remove(PathOf(record.Name)) && _unreadable.Count == 0)
            AllReadable(); // nothing unknown is named any more
    }

    /// <summary>Replaces the labels of a template, also while it is built anew.</summary>
    /// <exception cref="SandboxException">NotFound.</exception>
    public TemplateRecord SetMetadata(string name, IReadOnlyDictionary<string, string> metadata)
    {
        lock (_lock)
        {
            var record = Get(name) with { Metadata = metadata };
            Write(record);
            return record;
        }
    }

    /// <summary>Counts a sandbox that was made of it. One that cannot be written down is not worth the sandbox.</summary>
    public void NoteSpawn(string name, DateTimeOffset at)
    {
        lock (_lock)
        {
            if (TryGet(name) is not { } record)
                return;
            try
            {
                Write(record with { Spawned = record.Spawned + 1, LastSpawnedAt = at });
            }
            catch (IOException)
            {
                // the disk is full
            }
        }
    }

    public void Remove(TemplateRecord record)
    {
        lock (_lock)
        {
            File.Delete(PathOf(record.Name));
            if (!_records.TryRemove(record.Name, out _))
                return;
        }
        Forget(record);
    }

    private void Write(TemplateRecord record)
    {
        Journal.Write(PathOf(record.Name), record, EngineJson.Default.TemplateRecord);
        _records[record.Name] = record;
    }

    private string RemedyFor(string name) => BuiltInTemplates.TryGet(name) is { } recipe
        ? $"It is built in, and not made yet: `mitos template build {name}` does that, once; it takes {recipe.Takes}."
        : Nearest.Suggest(name, _records.Keys.Where(key => !key.Contains('@'))) ?? $"`mitos template ls` lists the templates; `mitos template build {(name.Length <= 63 ? name : "NAME")}` makes one.";

    private bool TryLoad(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        if (Journal.TryRead(path, EngineJson.Default.TemplateRecord) is not { } record || record.Name != name)
            return false;
        try
        {
            _layers.Acquire(_generations.Read(record.Generation).Layers.Select(LayerId.Parse));
        }
        catch (SandboxException)
        {
            return false;
        }
        _records[name] = record;
        return true;
    }

    private void Forget(TemplateRecord record)
    {
        var layers = _generations.Read(record.Generation).Layers.Select(LayerId.Parse).ToList();
        _generations.Delete(record.Generation);
        _layers.Release(layers);
    }

    private string PathOf(string name) => Path.Combine(_directory, name + ".json");
}
