using System.Text.Json;

namespace Mitos.EndToEnd.Sdk;

/// <summary>What became of one test of a file.</summary>
/// <param name="Name">Where the official packages have such a test, its title there.</param>
/// <param name="Passed">Whether it holds.</param>
/// <param name="Awaiting">What it waits for in the server; null: nothing.</param>
/// <param name="Ms">How long it took.</param>
/// <param name="Error">What failed.</param>
internal sealed record SdkCase(string Name, bool Passed, JsonElement? Awaiting, int Ms, string? Error);
