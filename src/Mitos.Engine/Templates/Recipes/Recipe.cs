using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mitos.Engine.Machines;

namespace Mitos.Engine.Templates.Recipes;

/// <summary>A built-in template: a root file system of Debian's packages, booted once, with what is written into it and left running.</summary>
internal sealed record Recipe
{
    public required string Name { get; init; }

    /// <summary>For a person who waits for it, for example <c>a minute or two</c>.</summary>
    public required string Takes { get; init; }

    /// <summary>Debian's packages besides the smallest system; without what they only recommend.</summary>
    public required IReadOnlyList<string> Packages { get; init; }

    /// <summary>Lines for a shell of the host, once all packages are there; <c>$1</c> is the root directory.</summary>
    public string Customize { get; init; } = "";

    /// <summary>Written into the booted machine, so that the root file system stays in the cache when only these change.</summary>
    public IReadOnlyList<RecipeFile> Files { get; init; } = [];

    /// <summary>A command that is left running, as root; null: none.</summary>
    public string? StartCommand { get; init; }

    /// <summary>Must succeed before the machine is frozen; null: nothing is waited for.</summary>
    public string? ReadyCommand { get; init; }

    /// <summary>The command that is left running, as it is written down.</summary>
    public IReadOnlyList<StartupRecord> Startups => StartCommand is { } start ? [new(start, "root", ReadyCommand)] : [];

    /// <summary>Run before the freeze, besides what all templates run.</summary>
    public IReadOnlyList<string> WarmUp { get; init; } = [];

    /// <summary>When nothing else is asked for.</summary>
    public required MachineShape Shape { get; init; }

    /// <summary>Hash of all that its content depends on.</summary>
    public string Key => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(
        [RootFileSystem.KeyOf(this), StartCommand ?? "", ReadyCommand ?? "", .. WarmUp, .. Files.Select(file => $"{file.Path} {file.Mode} {Convert.ToHexString(SHA256.HashData(file.Content))}")],
        StepJson.Default.StringArray)));
}

/// <summary>A file of a recipe.</summary>
/// <param name="Path">In the guest.</param>
/// <param name="Mode">Permissions.</param>
/// <param name="Content">Bytes.</param>
internal sealed record RecipeFile(string Path, int Mode, byte[] Content);
