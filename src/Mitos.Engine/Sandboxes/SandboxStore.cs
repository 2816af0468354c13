using System.Collections.Concurrent;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Recovery;

namespace Mitos.Engine.Sandboxes;

/// <summary>All sandboxes of this host, and their journals: one small file each.</summary>
internal sealed class SandboxStore
{
    private readonly string _directory;
    private readonly ConcurrentDictionary<SandboxId, Sandbox> _sandboxes = new();
    private readonly HashSet<(string Scope, string Name)> _names = [];

    public SandboxStore(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory);
        Journal.DeleteDrafts(directory);
    }

    public IReadOnlyList<Sandbox> All => _sandboxes.Values.OrderBy(sandbox => sandbox.Record.CreatedAt).ThenBy(sandbox => sandbox.Record.ForkIndex).ToList();

    /// <summary>The records on disk; unreadable files are left alone and named.</summary>
    public IEnumerable<SandboxRecord> ReadJournals(Action<string> unreadable)
    {
        foreach (var path in Directory.EnumerateFiles(_directory, "*.json"))
        {
            if (Journal.TryRead(path, EngineJson.Default.SandboxRecord) is { IsSound: true } record && path == PathOf(SandboxId.Parse(record.Id)))
                yield return record;
            else
                unreadable(path);
        }
    }

    /// <summary>Takes a name until <see cref="ReleaseName"/>.</summary>
    /// <exception cref="SandboxException">Conflict.</exception>
    public void TakeName(string scope, string? name)
    {
        if (name is null)
            return;
        lock (_names)
        {
            if (!_names.Add((scope, name)))
                throw new SandboxException(ErrorCode.Conflict, $"There is a sandbox named '{name}' already.", $"Choose another name, or remove it with `mitos rm {name}`.");
        }
    }

    public void ReleaseName(string scope, string? name)
    {
        if (name is null)
            return;
        lock (_names)
            _names.Remove((scope, name));
    }

    /// <param name="sandbox">Its journal is written.</param>
    /// <param name="recovered">Whether it has one from an earlier engine: a full disk does not keep it from being known then, for the next start would find the same.</param>
    public void Add(Sandbox sandbox, bool recovered = false)
    {
        try
        {
            Write(sandbox);
        }
        catch (IOException) when (recovered)
        {
            // what stands there is from before, and is put right by its next change
        }
        _sandboxes[sandbox.Id] = sandbox;
    }

    /// <summary>Writes the journal as the record and the machine are now.</summary>
    public void Write(Sandbox sandbox)
    {
        if (sandbox.Machine is { } machine)
            sandbox.Record = sandbox.Record with { Machine = Describe(machine) };
        Journal.Write(PathOf(sandbox.Id), sandbox.Record, EngineJson.Default.SandboxRecord);
    }

    public void Remove(Sandbox sandbox)
    {
        File.Delete(PathOf(sandbox.Id));
        _sandboxes.TryRemove(sandbox.Id, out _);
        ReleaseName(sandbox.Record.Scope, sandbox.Record.Name);
    }

    public Sandbox? TryGet(SandboxId id) => _sandboxes.GetValueOrDefault(id);

    /// <exception cref="SandboxException">NotFound.</exception>
    public Sandbox Get(SandboxId id) => TryGet(id) ?? throw SandboxException.NotFound("sandbox", id.ToString(), "`mitos ls` lists the sandboxes.");

    /// <inheritdoc cref="ISandboxes.Find"/>
    public Sandbox Find(string idOrName)
    {
        if (SandboxId.TryParse(idOrName, out var id) && _sandboxes.TryGetValue(id, out var found))
            return found;
        return SandboxNames.Find(idOrName, All, sandbox => sandbox.Record.Id, sandbox => sandbox.Record.Name);
    }

    public static MachineRecord Describe(Machine machine) => new()
    {
        VmmId = machine.Spec.Id,
        Pid = machine.Vmm.Process.Id,
        StartTime = machine.Vmm.Process.StartTime,
        UserId = machine.Spec.UserId,
        Generation = machine.Generation!.Record,
        Frozen = machine.Disk.Frozen.Select(layer => layer.ToString()).ToList(),
        Active = machine.ActiveLayer.ToString(),
        Next = machine.NextLayer?.ToString(),
    };

    private string PathOf(SandboxId id) => Path.Combine(_directory, id + ".json");
}
