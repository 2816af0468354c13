using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.FirecrackerFake;

/// <summary>
/// For tests: a directory with an executable <c>firecracker</c> that is this program, its plan, and the log of all requests. It can be started
/// by any user and with an empty environment.
/// </summary>
public sealed class FakeInstallation : IDisposable
{
    private const UnixFileMode AllRead = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode AllWrite = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    private const UnixFileMode AllExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
    private readonly string _log;

    public FakeInstallation(FakePlan? plan = null)
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("mitos-fake-").FullName;
        File.SetUnixFileMode(Directory, AllRead | AllExecute | UnixFileMode.UserWrite);
        _log = Path.Combine(Directory, "log");
        File.WriteAllText(_log, "");
        File.SetUnixFileMode(_log, AllRead | AllWrite);
        SetPlan(plan ?? new FakePlan());
        File.WriteAllText(Binary, $"""
            #!/bin/sh
            export FAKE_PLAN='{PlanPath}' DOTNET_EnableDiagnostics=0 DOTNET_TieredPGO=0
            exec '{Dotnet}' '{typeof(FakeInstallation).Assembly.Location}' "$@"

            """);
        File.SetUnixFileMode(Binary, AllRead | AllExecute);
    }

    public string Directory { get; }

    /// <summary>What to start as Firecracker.</summary>
    public string Binary => Path.Combine(Directory, "firecracker");

    /// <summary>What it reads by path, and writes its log to.</summary>
    public IReadOnlyList<string> Files => [Directory, AppContext.BaseDirectory.TrimEnd('/'), Path.GetDirectoryName(Dotnet)!];

    // DOTNET/shared/Microsoft.NETCore.App/VERSION
    private static string Dotnet => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));

    private string PlanPath => Path.Combine(Directory, "plan.json");

    /// <summary>From the next call on, in all processes.</summary>
    public void SetPlan(FakePlan plan)
    {
        (plan with { Log = plan.Log ?? _log }).Write(PlanPath);
        File.SetUnixFileMode(PlanPath, AllRead);
    }

    public void SetRules(params FakeRule[] rules) => SetPlan(new FakePlan { Rules = rules });

    /// <summary>All requests so far, in order.</summary>
    public IReadOnlyList<FakeRequest> ReadLog() => File.ReadAllLines(_log).Select(line => JsonSerializer.Deserialize(line, RequestJson.Default.FakeRequest)!).ToList();

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
}

/// <summary>A request that a fake got.</summary>
/// <param name="Machine">Its <c>--id</c>.</param>
/// <param name="Method">In capitals.</param>
/// <param name="Path">As it was sent.</param>
/// <param name="Body">As it was sent.</param>
/// <param name="Status">Of the answer; 0: there was none.</param>
public sealed record FakeRequest(string Machine, string Method, string Path, string Body, int Status);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(FakeRequest))]
internal sealed partial class RequestJson : JsonSerializerContext;
