using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>pause, resume.</summary>
internal static class PauseCommands
{
    public static IEnumerable<Command> All() => [Pause(), Resume()];

    private static Command Pause()
    {
        var ids = Arguments.SeveralSandboxes("running", ArgumentArity.OneOrMore);
        var filesOnly = new Option<bool>("--files-only") { Description = "Keep no memory: they boot when they are resumed" };
        return new Command("pause", "Pause sandboxes to disk; they cost no memory, and survive a reboot\n  mitos pause dev") { ids, filesOnly }.Runs(async (client, result, json, cancellationToken) =>
            await ChangeAsync("pausing", result.GetRequiredValue(ids), (id, token) => client.PauseAsync(id, !result.GetValue(filesOnly), token), json, cancellationToken));
    }

    private static Command Resume()
    {
        var ids = Arguments.SeveralSandboxes("paused", ArgumentArity.OneOrMore);
        var timeout = new TimeoutOptions("to the end that it has");
        var reboot = new Option<bool>("--reboot") { Description = "Boot them from their disks; the memory that they were paused with is gone" };
        return timeout.AddTo(new Command("resume", "Let paused sandboxes go on where they were\n  mitos resume dev") { ids, reboot }).Runs(async (client, result, json, cancellationToken) =>
        {
            var request = new ResumeRequest { TimeoutSeconds = timeout.Seconds(result), OnTimeout = timeout.OnTimeout(result), Memory = result.GetValue(reboot) ? false : null };
            return await ChangeAsync("resuming", result.GetRequiredValue(ids), (id, token) => client.ResumeAsync(id, request, token), json, cancellationToken);
        });
    }

    private static async Task<int> ChangeAsync(string doing, string[] ids, Func<string, CancellationToken, Task<SandboxBody>> change, bool json, CancellationToken cancellationToken)
    {
        var results = await Several.RunAsync($"{doing} {(ids.Length == 1 ? ids[0] : Output.Count(ids.Length, "sandbox"))}", ids, change, cancellationToken);
        if (json)
            Output.Json(results.Select(one => new ChangedBody(one.Name, one.Result, one.Error)).ToList(), CliJson.Default.ListChangedBody);
        foreach (var (_, sandbox, error) in json ? [] : results)
        {
            if (error is not null)
                Output.Failure(error);
            if (sandbox is null)
                continue;
            Output.Line(sandbox.Id);
            if (sandbox.SavedBytes is { } saved)
                Output.Note($"{sandbox.Name ?? sandbox.Id}: {Output.MiB(saved)} MiB on disk{(sandbox.FilesOnly == true ? ", its files only" : "")}");
        }
        return Several.Status(results.Select(one => one.Error).ToList());
    }
}
