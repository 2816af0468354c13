using System.Text.Json;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Sdk;

/// <summary>What became of one test of a file.</summary>
/// <param name="Name">Where the official packages have such a test, its title there.</param>
/// <param name="Passed">Whether it holds.</param>
/// <param name="Awaiting">What it waits for in the server; null: nothing.</param>
/// <param name="Skipped">Why it was not run; null: it was.</param>
/// <param name="Ms">How long it took.</param>
/// <param name="Error">What failed.</param>
internal sealed record SdkCase(string Name, bool Passed, JsonElement? Awaiting, JsonElement? Skipped, int Ms, string? Error);

/// <summary>
/// What became of all files, in <c>artifacts/sdk.json</c>, from which <c>test/E2B.Sdk/readme.mjs</c> makes the README's line: of each package
/// and file the latest run.
/// </summary>
internal static class SdkResults
{
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static string Path { get; } = System.IO.Path.Combine(Programs.Directory, "../sdk.json");

    public static void Add(string package, string file, IReadOnlyList<SdkCase> cases)
    {
        var all = File.Exists(Path) ? JsonSerializer.Deserialize<SortedDictionary<string, IReadOnlyList<SdkCase>>>(File.ReadAllText(Path), Json)! : [];
        all[$"{package} {file}"] = cases;
        File.WriteAllText(Path, JsonSerializer.Serialize(all, Json));
    }
}
