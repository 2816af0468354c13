using System.Collections.Immutable;
using Mitos.Engine.Disks;

namespace Mitos.Engine.Tests.Disks;

/// <summary>
/// What the engine does with layers, in its order and step by step, so that a crash can come between any two. The journals outlive
/// it; all else is gone. A deed yields after each step.
/// </summary>
internal sealed class LayerLife(string directory)
{
    private const long DiskBytes = 1 << 20;
    private readonly Dictionary<int, Machine> _machines = [];
    private readonly Dictionary<int, Generation> _generations = [];
    private readonly Dictionary<int, Journal> _journals = []; // of machines
    private readonly Dictionary<int, ImmutableList<LayerId>> _templates = []; // records of generations that have files
    private LayerStore _store = new(directory);
    private int _next;

    private sealed record Journal(ImmutableList<LayerId> Frozen, LayerId Active, ImmutableList<LayerId>? Transient);

    private sealed class Machine
    {
        public required Generation Generation;
        public required ImmutableList<LayerId> Frozen;
        public required LayerId Active;
        public LayerId? Next;
    }

    private sealed class Generation
    {
        public required ImmutableList<LayerId> Layers;
        public int Users = 1;
    }

    /// <summary>Layers that somebody who lives holds: each must be there, and nothing else may be.</summary>
    public HashSet<LayerId> Held() => [
        .. _machines.Values.SelectMany(machine => machine.Next is { } next ? machine.Frozen.Add(machine.Active).Add(next) : machine.Frozen.Add(machine.Active)),
        .. _generations.Values.SelectMany(generation => generation.Layers)];

    public HashSet<LayerId> OnDisk() => Directory.GetFiles(directory).Select(path => LayerId.Parse(Path.GetFileNameWithoutExtension(path))).ToHashSet();

    /// <summary>A machine boots, writes and is frozen as a template.</summary>
    public IEnumerable<string> BuildTemplate()
    {
        var active = _store.Create(DiskBytes).Layer;
        yield return "the active layer is made";
        _store.Acquire([active]); // the generation's record
        var id = _next++;
        _templates[id] = [active];
        yield return "the record is written";
        _store.Acquire([active]); // the generation in memory
        _generations[id] = new Generation { Layers = [active] };
        _store.Release([active]); // the machine that booted ends
    }

    public IEnumerable<string> Create(int which)
    {
        if (Pick(_generations, which) is not { } generation)
            yield break;
        var active = _store.Create(DiskBytes).Layer;
        yield return "the active layer is made";
        _store.Acquire(generation.Layers);
        generation.Users++;
        yield return "the shell has started";
        Keep(new Machine { Generation = generation, Frozen = generation.Layers, Active = active });
    }

    /// <param name="which">The source.</param>
    /// <param name="children">How many.</param>
    /// <param name="written">Whether the source wrote to its disk.</param>
    /// <param name="promote">Whether the children get a generation of their own.</param>
    public IEnumerable<string> Fork(int which, int children, bool written, bool promote)
    {
        if (Pick(_machines, which) is not { } source)
            yield break;
        source.Next ??= _store.Create(DiskBytes).Layer;
        yield return "the next layer is made";
        Write(source);
        yield return "the journal names it";
        if (written)
        {
            (source.Frozen, source.Active, source.Next) = (source.Frozen.Add(source.Active), source.Next.Value, null);
            yield return "the layers are switched and the journal does not know";
        }
        var captured = source.Frozen;
        _store.Acquire(captured); // the capture
        Write(source);
        yield return "the journal knows";
        var generation = source.Generation;
        if (promote)
        {
            _store.Acquire(captured);
            generation = new Generation { Layers = captured };
            _generations[_next++] = generation;
            yield return "there is a generation of it";
        }
        for (var i = 0; i < children; i++)
        {
            var active = _store.Create(DiskBytes).Layer;
            _store.Acquire(generation.Layers);
            generation.Users++;
            yield return "a shell has started";
            _store.Acquire(captured); // the shell's disk is replaced by the capture's
            _store.Release(generation.Layers);
            yield return "it has the capture's disk";
            Keep(new Machine { Generation = generation, Frozen = captured, Active = active });
            yield return "a child is in the books";
        }
        if (promote)
            LetGo(generation);
        _store.Release(captured);
    }

    public IEnumerable<string> Flatten(int which)
    {
        if (Pick(_machines, which) is not { } machine)
            yield break;
        var old = machine.Frozen;
        machine.Frozen = [];
        Write(machine);
        yield return "the journal knows";
        _store.Release(old);
    }

    public IEnumerable<string> Remove(int which)
    {
        if (Pick(_machines, which) is not { } machine)
            yield break;
        var id = _machines.Single(pair => pair.Value == machine).Key;
        _journals.Remove(id);
        yield return "the journal is gone";
        _machines.Remove(id);
        _store.Release(machine.Next is { } next ? [.. machine.Frozen, machine.Active, next] : [.. machine.Frozen, machine.Active]);
        LetGo(machine.Generation);
    }

    /// <summary>The engine dies; another reads the journals. Machines live on: what is active in them they know themselves.</summary>
    public void Crash()
    {
        var alive = _machines.ToDictionary();
        _store = new LayerStore(directory);
        _machines.Clear();
        _generations.Clear();
        foreach (var (id, layers) in _templates)
        {
            _store.Acquire(layers);
            _store.Acquire(layers);
            _generations[id] = new Generation { Layers = layers };
        }
        foreach (var (id, journal) in _journals)
        {
            var generation = _generations.Values.FirstOrDefault(known => known.Layers == alive[id].Generation.Layers);
            if (generation is null)
            {
                generation = new Generation { Layers = alive[id].Generation.Layers, Users = 0 }; // taken back from the machine
                _store.Acquire(generation.Layers);
                _generations[_next++] = generation;
            }
            generation.Users++;
            var active = alive[id].Active;
            var frozen = active == journal.Active ? journal.Frozen : journal.Frozen.Add(journal.Active);
            _store.Acquire([.. frozen, active]);
            _machines[id] = new Machine { Generation = generation, Frozen = frozen, Active = active };
        }
        _store.DeleteUnused();
    }

    private void Keep(Machine machine)
    {
        var id = _next++;
        _machines[id] = machine;
        Write(machine);
    }

    private void Write(Machine machine) =>
        _journals[_machines.Single(pair => pair.Value == machine).Key] = new Journal(machine.Frozen, machine.Active, null);

    private void LetGo(Generation generation)
    {
        if (--generation.Users > 0)
            return;
        _generations.Remove(_generations.Single(pair => pair.Value == generation).Key);
        _store.Release(generation.Layers);
    }

    private static T? Pick<T>(Dictionary<int, T> from, int which)
        where T : class => from.Count == 0 ? null : from.OrderBy(pair => pair.Key).ElementAt(which % from.Count).Value;
}
