using FsCheck.Xunit;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Generations;

public sealed class GenerationStoreTests : IDisposable
{
    private const string Vmm = "qemu 1 tcg abcd";
    private readonly Scratch _scratch = new();
    private readonly LayerStore _layers;

    public GenerationStoreTests() => _layers = new LayerStore(_scratch["layers"]);

    [Property(MaxTest = 30)]
    public void What_was_saved_is_opened_by_the_next_engine_byte_for_byte_and_sealed(ushort[] pages, byte[] state)
    {
        var (memory, content) = Memories.Create(4, pages);
        using (memory)
        {
            var record = Save(memory, state);
            Assert.Equal(content.Chunk(Memories.Page).Count(page => page.AsSpan().ContainsAnyExcept((byte)0)) * Memories.Page, record.ImageBytes);
            var store = NewStore();
            using var first = store.Open(record.Id, Vmm);
            using var second = store.Open(record.Id, Vmm);
            Assert.Same(first, second); // one memory for all
            Assert.True(first.Memory.IsSealed);
            Assert.True(content.AsSpan().SequenceEqual(Memories.Read(first.Memory)));
            Assert.Equal(state, first.DeviceState);
            Assert.Equivalent(record, first.Record, strict: true);
        }
    }

    [Fact]
    public void A_generation_holds_its_layers_until_its_last_user_is_gone()
    {
        var layer = _layers.Create(1 << 20).Layer;
        var record = Save(Filled(), [1], layer);
        var store = NewStore();
        var used = store.Open(record.Id, Vmm);
        _layers.Release([layer]); // the freezer's use
        store.Delete(record.Id);
        Assert.False(Directory.Exists(_scratch["generations/" + record.Id]));
        Assert.True(File.Exists(_layers.PathOf(layer)));
        Assert.Equal(1 << 20, Memories.Read(used.Memory).Length);
        used.Dispose();
        Assert.False(File.Exists(_layers.PathOf(layer)));
    }

    [Fact]
    public void One_changed_byte_anywhere_in_memory_or_state_is_refused()
    {
        var record = Save(Filled(), [1, 2, 3]);
        foreach (var (file, places) in ((string, long[])[])[("memory", [0, 5000, (1 << 20) - 1, 3 * Memories.Page]), ("state", [0, 2])])
        {
            var path = _scratch[$"generations/{record.Id}/{file}"];
            foreach (var place in places)
            {
                var before = File.ReadAllBytes(path);
                Flip(path, place);
                Damaged(record.Id);
                File.WriteAllBytes(path, before);
            }
        }
        NewStore().Open(record.Id, Vmm).Dispose(); // whole again
    }

    [Theory]
    [InlineData("memory is shorter")]
    [InlineData("memory is longer")]
    [InlineData("memory is missing")]
    [InlineData("memory is empty")]
    [InlineData("state is shorter")]
    [InlineData("state is longer")]
    [InlineData("state is missing")]
    [InlineData("two pages are exchanged")]
    [InlineData("the record says another size")]
    public void Other_damage_is_refused_too(string damage)
    {
        var record = Save(Filled(), [1, 2, 3]);
        var (memory, state, json) = (_scratch[$"generations/{record.Id}/memory"], _scratch[$"generations/{record.Id}/state"], _scratch[$"generations/{record.Id}/generation.json"]);
        var bytes = File.ReadAllBytes(memory);
        switch (damage)
        {
            case "memory is shorter": File.WriteAllBytes(memory, bytes[..^100]); break;
            case "memory is longer": File.WriteAllBytes(memory, [.. bytes, 1]); break;
            case "memory is missing": File.Delete(memory); break;
            case "memory is empty": File.WriteAllBytes(memory, []); break;
            case "state is shorter": File.WriteAllBytes(state, [1, 2]); break;
            case "state is longer": File.WriteAllBytes(state, [1, 2, 3, 0]); break;
            case "state is missing": File.Delete(state); break;
            case "two pages are exchanged":
                File.WriteAllBytes(memory, [.. bytes[4096..8192], .. bytes[..4096], .. bytes[8192..]]);
                break;
            default: File.WriteAllText(json, File.ReadAllText(json).Replace("\"memoryMiB\": 1", "\"memoryMiB\": 2", StringComparison.Ordinal)); break;
        }
        Damaged(record.Id);
    }

    [Fact]
    public void A_record_with_any_byte_changed_is_refused_as_damaged_or_still_gives_the_same_memory()
    {
        var record = Save(Filled(), [1, 2, 3]);
        var path = _scratch[$"generations/{record.Id}/generation.json"];
        var bytes = File.ReadAllBytes(path);
        var refused = 0;
        for (var at = 0; at < bytes.Length; at++)
        {
            bytes[at] ^= 1;
            File.WriteAllBytes(path, bytes);
            try
            {
                using var opened = NewStore().Open(record.Id, Vmm);
                Assert.Equal(record.Shape.MemoryBytes, opened.Memory.Length);
            }
            catch (SandboxException e)
            {
                Refusal.Check(ErrorCode.FailedPrecondition, record.Id, e);
                refused++;
            }
            bytes[at] ^= 1;
        }
        Assert.True(refused > bytes.Length / 2);
    }

    [Fact]
    public void A_generation_of_another_vmm_or_none_is_refused()
    {
        var record = Save(Filled(), [1]);
        var error = Refusal.Check(ErrorCode.FailedPrecondition, record.Id, () => NewStore().Open(record.Id, "qemu 2 tcg"));
        Assert.Contains("qemu 2 tcg", error.Message, StringComparison.Ordinal);
        Refusal.Check(ErrorCode.FailedPrecondition, "ffffffffffffffff", () => NewStore().Open("ffffffffffffffff", Vmm));
    }

    [Fact]
    public void What_cannot_be_saved_leaves_nothing()
    {
        using var memory = Filled();
        File.WriteAllText(_scratch["generations"], "in the way");
        Assert.ThrowsAny<IOException>(() => Save(memory, [1]));
        File.Delete(_scratch["generations"]);
        Directory.CreateDirectory(_scratch["generations"]);
        memory.Dispose();
        Assert.ThrowsAny<Exception>(() => Save(memory, [1]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_scratch["generations"]));
    }

    [Fact]
    public void Directories_that_no_template_names_are_deleted()
    {
        var kept = Save(Filled(), [1]);
        Save(Filled(), [2]);
        Directory.CreateDirectory(_scratch["generations/0123456789abcdef.draft"]);
        NewStore().DeleteUnused(new HashSet<string> { kept.Id });
        Assert.Equal([_scratch["generations/" + kept.Id]], Directory.GetDirectories(_scratch["generations"]));
    }

    [Fact]
    public void Memory_that_is_not_sealed_or_of_another_length_is_no_generation()
    {
        using var open = Filled();
        Assert.Throws<ArgumentException>(() => new Generation(Records.Generation() with { Shape = new MachineShape(1, 1, 64) }, open, [], _layers));
        open.Seal();
        Assert.Throws<ArgumentException>(() => new Generation(Records.Generation() with { Shape = new MachineShape(1, 2, 64) }, open, [], _layers));
    }

    public void Dispose() => _scratch.Dispose();

    private GenerationStore NewStore() => new(_scratch["generations"], _layers);

    private GenerationRecord Save(MemoryFile memory, byte[] state, params LayerId[] layers) =>
        NewStore().Save(memory, state, new MachineShape(1, (int)(memory.Length >> 20), 64), new DiskStack("/images/base", [.. layers]), Vmm);

    private static MemoryFile Filled() => Memories.Create(1, Enumerable.Range(0, 200).Select(i => (ushort)i)).File;

    private void Damaged(string id)
    {
        var error = Refusal.Check(ErrorCode.FailedPrecondition, id, () => NewStore().Open(id, Vmm));
        Assert.Contains("damaged", error.Message, StringComparison.Ordinal);
        Assert.Contains("template build", error.Remedy, StringComparison.Ordinal);
    }

    private static void Flip(string path, long place)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        var value = new byte[1];
        RandomAccess.Read(file, value, place);
        value[0] ^= 1;
        RandomAccess.Write(file, value, place);
    }
}
