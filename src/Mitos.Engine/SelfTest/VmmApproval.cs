using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.Recovery;

namespace Mitos.Engine.SelfTest;

/// <summary>
/// No VMM is used before it has passed the short self-test on this host. What passed is remembered in the cache, by the binary's hash and
/// all that the result depends on.
/// </summary>
internal static class VmmApproval
{
    /// <summary>The first of a choice that passes.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: none does; the message has what was seen.</exception>
    public static async Task<VmmCandidate> ChooseAsync(VmmChoice choice, EngineOptions options, ILogger logger)
    {
        await ProbeRig.RemoveLeftoversAsync(DirectoriesOf(options));
        SelfTestRecord? failed = null;
        foreach (var candidate in choice.Candidates)
        {
            var record = await TestAsync(candidate, options, logger);
            if (record.Passed)
            {
                logger.LogInformation("the VMM is {Name} {Version}, {Accelerator} ({Reason})", candidate.Facts.Name, candidate.Facts.Version, candidate.Facts.Accelerator, choice.Reason);
                return candidate;
            }
            logger.LogError("{Vmm} did not pass the self-test and is not used", record.Vmm);
            failed = record;
        }
        var check = failed!.Failure!;
        throw new SandboxException(ErrorCode.FailedPrecondition, $"{failed.Vmm} does not fork safely on this host. '{check.Name}': {check.Figure}", "`mitos doctor --self-test` runs all checks; another version of the VMM may pass.");
    }

    /// <summary>What the last self-test of this binary here found; null: there was none.</summary>
    public static SelfTestRecord? Recall(VmmCandidate candidate, EngineOptions options) => Journal.TryRead(PathOf(candidate, options), EngineJson.Default.SelfTestRecord);

    private static async Task<SelfTestRecord> TestAsync(VmmCandidate candidate, EngineOptions options, ILogger logger)
    {
        var facts = candidate.Facts;
        if (Recall(candidate, options) is { Passed: true } known)
            return known;
        logger.LogInformation("{Name} {Version} is new here: testing whether it forks safely, for some seconds", facts.Name, facts.Version);
        var results = new List<SelfTestResult>();
        var passed = await SelfTests.RunAsync(candidate, DirectoriesOf(options), SelfTestSize.Short, result =>
        {
            logger.Log(result.Passed ? LogLevel.Information : LogLevel.Error, "self-test: {Name}: {Figure}", result.Name, result.Figure);
            results.Add(result);
        }, CancellationToken.None);
        var record = new SelfTestRecord($"{facts.Name} {facts.Version} ({facts.Accelerator})", passed, DateTimeOffset.UtcNow, results);
        var path = PathOf(candidate, options);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Journal.Write(path, record, EngineJson.Default.SelfTestRecord);
        return record;
    }

    private static string PathOf(VmmCandidate candidate, EngineOptions options)
    {
        var facts = candidate.Facts;
        using var binary = File.OpenRead(facts.Binary);
        var key = SHA256.HashData([.. SHA256.HashData(binary), .. Encoding.UTF8.GetBytes($"{facts.Fingerprint} {facts.Method} {Environment.OSVersion.Version}")]);
        return Path.Combine(options.CacheDirectory, "self-tests", Convert.ToHexStringLower(key)[..16] + ".json");
    }

    /// <summary>Directories for a self-test below those of an engine.</summary>
    public static EngineOptions DirectoriesOf(EngineOptions options) =>
        options with { StateDirectory = Path.Combine(options.StateDirectory, "self-test"), RunDirectory = Path.Combine(options.RunDirectory, "t") };
}

/// <summary>What a self-test found; a file in the cache.</summary>
/// <param name="Vmm">Name, version and accelerator.</param>
/// <param name="Passed">Whether all checks did.</param>
/// <param name="At">When.</param>
/// <param name="Results">Of each check.</param>
internal sealed record SelfTestRecord(string Vmm, bool Passed, DateTimeOffset At, IReadOnlyList<SelfTestResult> Results)
{
    /// <summary>The first check that did not pass.</summary>
    [JsonIgnore]
    public SelfTestResult? Failure => Results.FirstOrDefault(result => !result.Passed);
}
