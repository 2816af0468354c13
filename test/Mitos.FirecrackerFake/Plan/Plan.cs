using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mitos.FirecrackerFake.Plan;

/// <summary>
/// What a fake does that a Firecracker would not. A JSON file, named by <c>FAKE_PLAN</c> and read anew before each call, so that a
/// test can change it while the process runs. Without one it behaves.
/// </summary>
public sealed record FakePlan
{
    /// <summary>The release that it is.</summary>
    public string Version { get; init; } = "1.16.1";

    /// <summary>A file to which each request is added as a line of JSON: machine, method, path, body, status.</summary>
    public string? Log { get; init; }

    /// <summary>Opens the memory file before it writes the state: an implementation that no state-only snapshot works with.</summary>
    public bool OpensMemoryFirst { get; init; }

    /// <summary>Damages the state file after it was written.</summary>
    public bool DamagesState { get; init; }

    /// <summary>Leaves out the known defects of its release.</summary>
    public bool WithoutDefects { get; init; }

    /// <summary>The first rule that fits a call is carried out.</summary>
    public IReadOnlyList<FakeRule> Rules { get; init; } = [];

    /// <summary>Reads a plan; one that behaves when there is no file.</summary>
    /// <exception cref="JsonException">It makes no sense.</exception>
    public static FakePlan Read(string? path) =>
        path is not null && File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllText(path), PlanJson.Default.FakePlan)! : new FakePlan();

    /// <summary>Writes it so that no reader sees half of it.</summary>
    public void Write(string path)
    {
        File.WriteAllText(path + ".new", JsonSerializer.Serialize(this, PlanJson.Default.FakePlan));
        File.Move(path + ".new", path, overwrite: true);
    }
}

/// <summary>One thing to do at one call.</summary>
public sealed record FakeRule
{
    /// <summary>
    /// Which call: a method and a path (<c>PUT /snapshot/load</c>), <c>start</c> (before the API's socket is there), or
    /// <c>connect</c> (a host that asks for a port of the vsock device).
    /// </summary>
    public required string On { get; init; }

    /// <summary>Only this machine (<c>--id</c>); null: any.</summary>
    public string? Id { get; init; }

    /// <summary>From this call of the process on, counted from 1.</summary>
    public int From { get; init; } = 1;

    /// <summary>For so many calls; 0: all.</summary>
    public int Times { get; init; }

    public required FakeAct Do { get; init; }

    /// <summary>Milliseconds of a stall; -1: for ever.</summary>
    public int Ms { get; init; } = -1;

    /// <summary>Status of a refusal or a lie; 0: 400 for a refusal, 204 for a lie.</summary>
    public int Status { get; init; }

    /// <summary>The words of a refusal; the body of a lie, when it has one; what is said instead of an answer; the last words, to stderr, of an exit.</summary>
    public string Text { get; init; } = "";

    /// <summary>How many bytes of the answer go out before the connection is cut.</summary>
    public int Bytes { get; init; }

    /// <summary>Whether the call is carried out all the same, before a cut or an exit.</summary>
    public bool CarryOut { get; init; }

    /// <summary>The exit code of an exit.</summary>
    public int Code { get; init; } = 1;
}

/// <summary>What is done instead of, or before, what was asked for.</summary>
public enum FakeAct
{
    /// <summary>Refuses with <see cref="FakeRule.Status"/> and <see cref="FakeRule.Text"/>, and does nothing.</summary>
    Refuse,

    /// <summary>Waits, then does as it is told.</summary>
    Stall,

    /// <summary>Closes the connection, after <see cref="FakeRule.Bytes"/> of the answer.</summary>
    Cut,

    /// <summary>The process ends without an answer.</summary>
    Exit,

    /// <summary>Says that it was done, and does nothing.</summary>
    Lie,

    /// <summary>Says <see cref="FakeRule.Text"/> as it is, which need be no HTTP.</summary>
    Babble,
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(FakePlan))]
internal sealed partial class PlanJson : JsonSerializerContext;
