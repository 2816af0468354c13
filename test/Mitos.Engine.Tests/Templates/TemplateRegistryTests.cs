using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Templates;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Templates;

public sealed class TemplateRegistryTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private LayerStore _layers = null!;
    private GenerationStore _generations = null!;
    private TemplateRegistry _registry = null!;

    public TemplateRegistryTests() => Restart();

    [Fact]
    public void A_template_is_there_after_a_restart_with_its_generation_and_layers()
    {
        var (record, layer) = Build("web");
        Restart();
        Assert.Equivalent(record, _registry.Get("web"), strict: true);
        Assert.Equal([layer.ToString()], _registry.GenerationOf(_registry.Get("web")).Layers);
        Assert.Equal(0, _layers.DeleteUnused());
        Assert.Empty(_registry.Unreadable);
    }

    [Fact]
    public void A_template_that_replaces_another_takes_its_generation_and_layers_with_it()
    {
        var (old, oldLayer) = Build("web");
        var (now, layer) = Build("web");
        Assert.Equal(now.Generation, _registry.Get("web").Generation);
        Assert.False(File.Exists(_layers.PathOf(oldLayer)));
        Assert.False(Directory.Exists(_scratch["generations/" + old.Generation]));
        _registry.Remove(now);
        Assert.False(File.Exists(_layers.PathOf(layer)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_scratch["generations"]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_scratch["templates"]));
        Assert.Null(_registry.TryGet("web"));
    }

    [Theory]
    [InlineData("bsae", "Did you mean 'base'?")]
    [InlineData("base@1x256", "Did you mean 'base'?", false)] // shapes are no names
    [InlineData("quite-another", "mitos template build quite-another")]
    [InlineData("code-interpreter-v1", "mitos template build code-interpreter-v1")] // built in, not made yet
    public void A_template_that_is_not_there_is_refused_with_the_nearest_or_how_to_make_it(string name, string remedy, bool exact = true)
    {
        Build("base");
        Build("base@2x512");
        var error = Refusal.Check(ErrorCode.NotFound, $"'{name}'", () => _registry.Get(name));
        Assert.DoesNotContain("@2x512", error.Remedy, StringComparison.Ordinal);
        if (exact)
            Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("templates/web.json", "{")]
    [InlineData("templates/web.json", "null")]
    [InlineData("generations/*/generation.json", "")]
    [InlineData("generations/*/generation.json", null)]
    public void A_damaged_template_is_not_in_use_keeps_nobody_from_starting_and_can_be_built_again(string pattern, string? text)
    {
        var (healthy, _) = Build("healthy");
        var (broken, layer) = Build("web");
        var path = _scratch[pattern.Replace("*", broken.Generation, StringComparison.Ordinal)];
        if (text is null)
            File.Delete(path);
        else
            File.WriteAllText(path, text);
        Restart();
        Assert.Equal([_scratch["templates/web.json"]], _registry.Unreadable);
        Assert.Equal(healthy.Generation, _registry.Get("healthy").Generation);
        Assert.Contains("mitos template build web", Refusal.Check(ErrorCode.NotFound, "'web'", () => _registry.Get("web")).Remedy, StringComparison.Ordinal);
        Assert.True(File.Exists(_layers.PathOf(layer)));
        var (again, _) = Build("web");
        Restart();
        Assert.Empty(_registry.Unreadable);
        Assert.Equal(again.Generation, _registry.Get("web").Generation);
        _generations.DeleteUnused(_registry.UsedGenerations);
        Assert.Equal(2, Directory.GetDirectories(_scratch["generations"]).Length);
        Assert.Equal(1, _layers.DeleteUnused());
    }

    [Fact]
    public void A_template_is_not_built_on_itself_or_on_what_is_built_on_it()
    {
        Build("base");
        Build("one", "base");
        Build("two", "one");
        foreach (var (name, from) in ((string, string)[])[("one", "one"), ("one", "two"), ("base", "two")])
            Refusal.Check(ErrorCode.InvalidArgument, $"'{name}' cannot be built on '{from}'", () => _registry.CheckParent(name, from));
        _registry.CheckParent("two", "base");
        _registry.CheckParent("three", "two");
        _registry.CheckParent("base", null);
        _registry.CheckParent("new", "missing"); // refused elsewhere
    }

    [Fact]
    public void Labels_of_a_template_stay_when_it_is_built_anew_and_after_a_restart()
    {
        Build("web");
        _registry.SetMetadata("web", new Dictionary<string, string> { ["public"] = "false" });
        var (now, layer) = Build("web");
        Restart();
        Assert.Equal(now.Generation, _registry.Get("web").Generation);
        Assert.Equal("false", _registry.Get("web").Metadata!["public"]);
        Assert.True(File.Exists(_layers.PathOf(layer)));
        Refusal.Check(ErrorCode.NotFound, "'none'", () => _registry.SetMetadata("none", new Dictionary<string, string>()));
    }

    [Fact]
    public void A_record_under_another_s_name_is_not_believed()
    {
        Build("web");
        File.Copy(_scratch["templates/web.json"], _scratch["templates/copy.json"]);
        Restart();
        Assert.Null(_registry.TryGet("copy"));
        Assert.Equal([_scratch["templates/copy.json"]], _registry.Unreadable);
    }

    public void Dispose() => _scratch.Dispose();

    private void Restart()
    {
        _layers = new LayerStore(_scratch["layers"]);
        _generations = new GenerationStore(_scratch["generations"], _layers);
        _registry = new TemplateRegistry(_scratch["templates"], _generations, _layers);
    }

    // As a build ends: the freezer's use of the layer is let go of once the registry has its own.
    private (TemplateRecord Record, LayerId Layer) Build(string name, string? from = null)
    {
        var layer = _layers.Create(1 << 20).Layer;
        using var memory = Memories.Create(1, [1, 2, 3]).File;
        var generation = _generations.Save(memory, [1], new MachineShape(1, 1, 64), new DiskStack("/images/base", [layer]), "qemu 1 tcg");
        var record = new TemplateRecord { Name = name, From = from, Generation = generation.Id, ContentKey = "key", CreatedAt = DateTimeOffset.UnixEpoch, Environment = new Dictionary<string, string>() };
        _registry.Put(record);
        _layers.Release([layer]);
        return (record, layer);
    }
}
