using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Engine.Capacity;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates.Recipes;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Templates;

/// <summary>Builds, lists and removes templates.</summary>
internal sealed class TemplateService(
    EngineOptions options, MachineHost host, MachineBooter booter, GenerationStore generations, TemplateRegistry registry, TemplateFreezer freezer, ShellPool shells, Birth birth) : ITemplates
{
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromMinutes(10);
    private readonly SemaphoreSlim _building = new(1);

    /// <summary>How many living sandboxes use a template; set by the engine.</summary>
    public Func<string, int> CountSandboxes { get; set; } = _ => 0;

    public async Task<TemplateInfo> BuildAsync(BuildTemplateSpec spec, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        Validate(spec);
        await _building.WaitAsync(cancellationToken);
        try
        {
            registry.CheckParent(spec.Name, spec.From);
            var record = spec.From is null
                ? await BuildRecipeAsync(spec, progress, cancellationToken)
                : await BuildOnAsync(spec, registry.Get(spec.From), progress, cancellationToken);
            return Describe(record);
        }
        catch (Exception e) when (e is AgentException or VmmException or IOException)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{spec.Name}' could not be built: {e.Message}", "Run the build again; `mitos doctor` checks this host.", e);
        }
        finally
        {
            _building.Release();
        }
    }

    public IReadOnlyList<TemplateInfo> List() =>
        registry.All.Where(record => !record.Name.Contains('@')).OrderBy(record => record.Name, StringComparer.Ordinal).Select(Describe).ToList();

    public TemplateInfo Get(string name) => Describe(registry.Get(name));

    public IReadOnlyDictionary<string, string>? TryGetMetadata(string name) =>
        registry.TryGet(name) is { } record ? record.Metadata ?? new Dictionary<string, string>() : null;

    public TemplateInfo SetMetadata(string name, IReadOnlyDictionary<string, string> metadata)
    {
        SandboxRules.CheckMetadata(metadata);
        return Describe(registry.SetMetadata(name, metadata));
    }

    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        var record = registry.Get(name);
        await _building.WaitAsync(cancellationToken);
        try
        {
            if (CountSandboxes(name) is > 0 and var count)
                throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{name}' is used by {count} sandboxes and snapshots.", "Remove them first: `mitos ls` and `mitos snapshot ls` show them.");
            if (registry.All.FirstOrDefault(other => other.From == name) is { } child)
                throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{child.Name}' is built on '{name}'.", $"Remove it first: `mitos template rm {child.Name}`.");
            foreach (var variant in registry.All.Where(other => other.Name == name || other.Name.StartsWith(name + "@", StringComparison.Ordinal)))
            {
                await shells.DropAsync(variant.Generation);
                registry.Remove(variant);
            }
        }
        finally
        {
            _building.Release();
        }
    }

    /// <summary>The generation of a template in a shape, made once where only a built-in one can make it. The caller disposes it.</summary>
    /// <exception cref="SandboxException">NotFound; Unsupported: another shape than a built template's; FailedPrecondition: damaged.</exception>
    public async Task<Generation> OpenAsync(string name, int? cpuCount, int? memoryMiB, CancellationToken cancellationToken)
    {
        var record = registry.Get(name);
        var shape = registry.GenerationOf(record).Shape;
        var wanted = shape with { CpuCount = cpuCount ?? shape.CpuCount, MemoryMiB = memoryMiB ?? shape.MemoryMiB };
        if (wanted != shape)
        {
            if (record.From is not null)
            {
                throw new SandboxException(ErrorCode.Unsupported,
                    $"The template '{name}' was frozen running with {shape.CpuCount} cpu and {shape.MemoryMiB} MiB; a running machine keeps its shape.",
                    $"Build it with the shape that you want: `mitos template build {name} --cpu {wanted.CpuCount} --memory {wanted.MemoryMiB} …`.");
            }
            record = await VariantAsync(RecipeOf(record), wanted, cancellationToken);
        }
        return await Task.Run(() => generations.Open(record.Generation, host.Driver.Facts.Fingerprint), cancellationToken);
    }

    private static string VariantName(Recipe recipe, MachineShape shape) => shape == recipe.Shape ? recipe.Name : $"{recipe.Name}@{shape.CpuCount}x{shape.MemoryMiB}";

    // A template without a parent was made by a recipe.
    private static Recipe RecipeOf(TemplateRecord record) =>
        BuiltInTemplates.TryGet(record.Name) ?? throw new SandboxException(ErrorCode.Unsupported, $"The template '{record.Name}' was built in before, and is not any more.", "Remove it, and build on base.");

    private async Task<TemplateRecord> VariantAsync(Recipe recipe, MachineShape shape, CancellationToken cancellationToken)
    {
        await _building.WaitAsync(cancellationToken);
        try
        {
            var known = registry.TryGet(VariantName(recipe, shape));
            return known is not null && registry.GenerationOf(known).Vmm == host.Driver.Facts.Fingerprint ? known : await BootAsync(recipe, shape, new Progress<BuildProgress>(), VariantName(recipe, shape), null, cancellationToken);
        }
        finally
        {
            _building.Release();
        }
    }

    private async Task<TemplateRecord> BuildRecipeAsync(BuildTemplateSpec spec, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (BuiltInTemplates.TryGet(spec.Name) is not { } recipe)
            throw SandboxException.Invalid($"Only built-in templates have no parent; '{spec.Name}' needs one.", $"Use `mitos template build {spec.Name} --from base …`.");
        if (spec.Steps.Count > 0 || spec.StartCommand is not null || spec.ReadyCommand is not null || spec.Environment.Count > 0)
            throw SandboxException.Invalid($"The template '{spec.Name}' is built in: it takes no steps, commands or environment.", $"Build on it under another name: `mitos template build NAME --from {spec.Name} …`.");
        var shape = recipe.Shape with { CpuCount = spec.CpuCount ?? recipe.Shape.CpuCount, MemoryMiB = spec.MemoryMiB ?? recipe.Shape.MemoryMiB };
        return await BootAsync(recipe, shape, progress, recipe.Name, spec.NoCache ? null : registry.TryGet(recipe.Name), cancellationToken);
    }

    private async Task<TemplateRecord> BootAsync(Recipe recipe, MachineShape shape, IProgress<BuildProgress> progress, string name, TemplateRecord? cached, CancellationToken cancellationToken)
    {
        // The kernel maps no more for one process than it has, however little of it is used.
        if (shape.MemoryBytes > HostCapacity.ReadMemoryTotal())
            throw new SandboxException(ErrorCode.Exhausted, $"A machine with {shape.MemoryMiB} MiB of memory does not fit this host, which has {HostCapacity.ReadMemoryTotal() >> 20} MiB.", "Ask for less memory.");
        var count = recipe.StartCommand is null ? 5 : 6;
        Report("kernel", 1, "finding Debian's cloud kernel");
        Kernel kernel;
        try
        {
            kernel = await booter.FindKernelAsync(refresh: true, line => Output("kernel", 1, line), cancellationToken);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.FailedPrecondition && cached is not null && IsUsable(cached))
        {
            Report("kernel", 1, $"the template is kept as it is, for no kernel can be had: {e.Message}");
            return cached;
        }
        if (kernel.Outdated is { } reason)
            Report("kernel", 1, $"going on with {kernel.Package} of the cache, for the present one cannot be had: {reason}");
        var agent = booter.FindAgent();
        var key = Key(kernel.Package, recipe.Key, Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(agent, cancellationToken))), shape.ToString(), host.Driver.Facts.Fingerprint);
        if (cached?.ContentKey == key && IsUsable(cached))
        {
            Report("cached", count, "nothing has changed since it was built");
            return cached;
        }
        if (CountSandboxes(name) is > 0 and var users)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{name}' is used by {users} sandboxes and snapshots, and cannot be replaced.", "Remove them first, or go on with it as it is.");
        var image = new RootFileSystem(options.CacheDirectory, recipe);
        Report("root file system", 2, image.IsCached ? "taking Debian 12 from the cache" : $"making Debian 12 with mmdebstrap, once; this takes {recipe.Takes}");
        var rootfs = await image.GetAsync(line => Output("root file system", 2, line), cancellationToken);
        Report("boot", 3, "booting it once");
        await using var booted = await booter.BootAsync(shape, new DiskStack(host.Driver.PlaceImage(rootfs), []), $"template '{name}'", cancellationToken);
        foreach (var file in recipe.Files)
            await booted.Agent.Files.WriteAsync(file.Path, new MemoryStream(file.Content), file.Mode, "root", cancellationToken);
        if (recipe.StartCommand is { } start)
        {
            Report("start", 4, "starting what is left running in it");
            await Startup.StartAsync(booted.Agent, start, "root", cancellationToken);
            await Startup.AwaitReadyAsync(booted.Agent, name, recipe.ReadyCommand ?? "true", ReadyLimit, cancellationToken);
        }
        Report("warm", count - 1, "running what sandboxes run first, so that it is in memory that all share");
        await WarmUp.RunAsync(booted.Agent, recipe.WarmUp, cancellationToken);
        Report("freeze", count, "freezing it into generation 0");
        var generation = await freezer.FreezeBootedAsync(booted);
        return Put(name, generation, null, key, new Dictionary<string, string>(), new Dictionary<string, string>(), recipe.Startups);

        void Report(string step, int index, string message) => progress.Report(new BuildProgress(step, index, count, message, false));
        void Output(string step, int index, string line) => progress.Report(new BuildProgress(step, index, count, line, true));
    }

    private async Task<TemplateRecord> BuildOnAsync(BuildTemplateSpec spec, TemplateRecord parent, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var environment = NameValues.Merge(parent.Environment, spec.Environment);
        SandboxRules.CheckEnvironment(environment);
        var steps = spec.Steps.Select(step => step.Run ?? $"{step.CopyTarget}:{Convert.ToHexString(SHA256.HashData(step.CopyContent ?? []))}");
        var key = Key([parent.ContentKey, parent.Generation, .. steps, spec.StartCommand ?? "", spec.ReadyCommand ?? "", $"{spec.CpuCount} {spec.MemoryMiB}",
            .. environment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}")]);
        if (!spec.NoCache && registry.TryGet(spec.Name) is { } cached && cached.ContentKey == key && IsUsable(cached))
        {
            progress.Report(new BuildProgress("cached", 1, 1, "nothing has changed since it was built", false));
            return cached;
        }
        if (registry.TryGet(spec.Name) is not null && CountSandboxes(spec.Name) is > 0 and var users)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{spec.Name}' is used by {users} sandboxes and snapshots, and cannot be replaced.", "Remove them first, or build under another name.");
        using var generation = await OpenForBuildAsync(parent, spec, cancellationToken);
        if (!host.Driver.Facts.HasBuildNetwork)
            progress.Report(new BuildProgress("network", 1, 1, $"{host.Driver.Facts.Name} gives builds no network: a step that fetches something needs a daemon with --vmm qemu", true));
        var shell = await Task.Run(() => host.StartShell(generation, network: true), cancellationToken);
        using var capture = Capture.Of(generation, host.Layers);
        var (machine, _) = await birth.MakeAsync(capture, null, shell, cancellationToken);
        await using var ended = machine;
        await using var agent = MachineAgent.Open(machine, $"template '{spec.Name}'");
        await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity($"build-{spec.Name}", null, "", 0, "", environment));
        await new TemplateSteps(agent, spec, progress).RunAsync(cancellationToken);
        var frozen = await freezer.FreezeChildAsync(machine, agent);
        return Put(spec.Name, frozen, parent.Name, key, environment, spec.Metadata,
            spec.StartCommand is { } start ? [.. parent.AllStartups, new StartupRecord(start, "", spec.ReadyCommand)] : parent.AllStartups);
    }

    // A parent in another shape: only base can be booted in any.
    private async Task<Generation> OpenForBuildAsync(TemplateRecord parent, BuildTemplateSpec spec, CancellationToken cancellationToken)
    {
        var shape = registry.GenerationOf(parent).Shape;
        var wanted = shape with { CpuCount = spec.CpuCount ?? shape.CpuCount, MemoryMiB = spec.MemoryMiB ?? shape.MemoryMiB };
        if (wanted != shape && parent.From is null)
            parent = registry.TryGet(VariantName(RecipeOf(parent), wanted)) ?? await BootAsync(RecipeOf(parent), wanted, new Progress<BuildProgress>(), VariantName(RecipeOf(parent), wanted), null, cancellationToken);
        else if (wanted != shape)
            throw new SandboxException(ErrorCode.Unsupported, $"The template '{parent.Name}' has {shape.CpuCount} cpu and {shape.MemoryMiB} MiB; what is built on it has the same.", "Build on base, or leave out --cpu and --memory.");
        return generations.Open(parent.Generation, host.Driver.Facts.Fingerprint);
    }

    private TemplateRecord Put(string name, GenerationRecord generation, string? from, string key, IReadOnlyDictionary<string, string> environment, IReadOnlyDictionary<string, string> metadata, IReadOnlyList<StartupRecord> startups)
    {
        var record = new TemplateRecord
        {
            Name = name,
            Generation = generation.Id,
            From = from,
            ContentKey = key,
            CreatedAt = DateTimeOffset.UtcNow,
            Environment = environment,
            Metadata = metadata,
            Startups = startups,
        };
        registry.Put(record);
        host.Layers.Release(generation.Layers.Select(LayerId.Parse)); // the freezer's use; the registry has its own now
        return record;
    }

    private bool IsUsable(TemplateRecord record)
    {
        try
        {
            generations.Open(record.Generation, host.Driver.Facts.Fingerprint).Dispose();
            return true;
        }
        catch (SandboxException)
        {
            return false;
        }
    }

    private TemplateInfo Describe(TemplateRecord record)
    {
        var generation = registry.GenerationOf(record);
        var parents = record.From is { } from && registry.TryGet(from) is { } parent ? registry.GenerationOf(parent).Layers : [];
        return new TemplateInfo
        {
            Name = record.Name,
            Generation = record.Generation,
            From = record.From,
            CpuCount = generation.Shape.CpuCount,
            MemoryMiB = generation.Shape.MemoryMiB,
            DiskMiB = generation.Shape.DiskMiB,
            MemoryBytes = generation.ImageBytes,
            DiskBytes = generation.Layers.Except(parents).Sum(layer => host.Layers.LengthOf(LayerId.Parse(layer))),
            CreatedAt = record.CreatedAt,
            Metadata = record.Metadata ?? new Dictionary<string, string>(),
            Vmm = generation.Vmm,
            Sandboxes = CountSandboxes(record.Name),
            Spawned = record.Spawned,
            LastSpawnedAt = record.LastSpawnedAt,
        };
    }

    private static void Validate(BuildTemplateSpec spec)
    {
        SandboxRules.CheckName(spec.Name, "template");
        SandboxRules.CheckEnvironment(spec.Environment);
        SandboxRules.CheckMetadata(spec.Metadata);
        SandboxRules.CheckShape(spec.CpuCount, spec.MemoryMiB);
        foreach (var step in spec.Steps)
        {
            if ((step.Run is null) == (step.CopyContent is null) || (step.CopyContent is not null && step.CopyTarget?.StartsWith('/') != true))
                throw SandboxException.Invalid("A step is either a command to run, or a tar archive with the absolute directory that it is unpacked in.", "Give each step either run, or a copy with its directory.");
        }
    }

    private static string Key(params string[] parts) => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(parts, StepJson.Default.StringArray)));
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string[]))]
internal sealed partial class StepJson : System.Text.Json.Serialization.JsonSerializerContext;
