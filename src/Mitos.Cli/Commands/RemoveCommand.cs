using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>rm: one after the other would take long for a hundred, so a few at a time.</summary>
internal static class RemoveCommand
{
    private const int AtATime = 8;

    public static Command Make()
    {
        var ids = Arguments.SeveralSandboxes();
        var all = new Option<bool>("--all") { Description = "All sandboxes" };
        return new Command("rm", "Remove sandboxes; their children stay\n  mitos rm dev\n  mitos rm --all") { ids, all }.Runs(async (client, result, json, cancellationToken) =>
        {
            var named = result.GetValue(ids) ?? [];
            if (result.GetValue(all) == named.Length > 0)
                throw new ArgumentException("Name the sandboxes to remove, or give --all.");
            var removed = await RemoveAsync(client, result.GetValue(all) ? (await client.ListAsync(false, cancellationToken)).Select(sandbox => sandbox.Id).ToArray() : named, cancellationToken);
            return Report(removed, json);
        });
    }

    /// <summary>Says what became of each.</summary>
    /// <returns>The exit status.</returns>
    public static int Report(List<RemovedBody> removed, bool json)
    {
        if (json)
            Output.Json(removed, CliJson.Default.ListRemovedBody);
        foreach (var one in json ? [] : removed)
        {
            if (one.Error is { } error)
                Output.Failure(error);
            else
                Output.Line(one.Id);
        }
        var failed = removed.Where(one => !one.Removed).ToList();
        return failed.Count == 0 ? ExitCode.Ok : removed.Count > failed.Count ? ExitCode.Partial : ExitCode.Of(failed[0].Error!.Code);
    }

    /// <summary>Removes each that can be, in the order of the names in the answer.</summary>
    public static async Task<List<RemovedBody>> RemoveAsync(MitosClient client, IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        var removed = new RemovedBody[ids.Count];
        var done = 0;
        await Waiting.ShowAsync($"removing {Output.Count(ids.Count, "sandbox")}", Parallel.ForAsync(0, ids.Count, new ParallelOptions { MaxDegreeOfParallelism = AtATime, CancellationToken = cancellationToken }, async (i, token) =>
        {
            try
            {
                await client.RemoveAsync(ids[i], token);
                removed[i] = new RemovedBody(ids[i], true, null);
            }
            catch (MitosException e)
            {
                removed[i] = new RemovedBody(ids[i], false, CommandRunner.Describe(e));
            }
            Interlocked.Increment(ref done);
        }), () => $"{done} done");
        return [.. removed];
    }
}
