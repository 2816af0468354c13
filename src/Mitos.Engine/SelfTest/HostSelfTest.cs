using System.Globalization;
using Mitos.Engine.Hosts;
using Mitos.Engine.Vmm;

namespace Mitos.Engine.SelfTest;

/// <summary>The whole self-test of the VMM that an engine with these options would use. Needs no engine, and disturbs none.</summary>
public static class HostSelfTest
{
    private const string Root = "/run", Name = "mitos-doctor-";

    /// <param name="options">Which VMM; its directories are not touched.</param>
    /// <param name="report">Gets each result as it comes.</param>
    /// <param name="cancellationToken">Ends it; nothing is left.</param>
    /// <returns>Whether one of the VMM's ways to save passed all checks.</returns>
    /// <exception cref="Errors.SandboxException">The VMM or KVM is not to be had.</exception>
    public static async Task<bool> RunAsync(EngineOptions options, Action<SelfTestResult> report, CancellationToken cancellationToken)
    {
        await RemoveLeftoversAsync(options);
        var choice = VmmChoice.Make(options);
        var first = choice.Candidates[0].Facts;
        // of one VMM: the next one is another's answer
        foreach (var candidate in choice.Candidates.Where(candidate => candidate.Facts.Fingerprint == first.Fingerprint))
        {
            report(new SelfTestResult(Describe(candidate.Facts), true, candidate.Facts.Binary));
            if (await SelfTests.RunAsync(candidate, DirectoriesOf(options, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)), SelfTestSize.Full, report, cancellationToken))
                return true;
        }
        return false;
    }

    private static string Describe(VmmFacts facts) => $"{facts.Name} {facts.Version} with {facts.Accelerator}{(facts.Method.Length > 0 ? $", saving by {facts.Method}" : "")}";

    // Beside those of a daemon, which may run.
    private static EngineOptions DirectoriesOf(EngineOptions options, string process) =>
        options with { StateDirectory = Path.Combine(Path.GetTempPath(), Name + process), RunDirectory = Path.Combine(Root, Name + process) };

    // Of those that were killed.
    private static async Task RemoveLeftoversAsync(EngineOptions options)
    {
        foreach (var process in Directory.GetDirectories(Root, Name + "*").Select(path => Path.GetFileName(path)[Name.Length..]).Where(process => !Directory.Exists("/proc/" + process)))
            await ProbeRig.RemoveLeftoversAsync(DirectoriesOf(options, process));
    }
}
