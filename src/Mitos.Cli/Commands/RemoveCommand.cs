using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>rm.</summary>
internal static class RemoveCommand
{
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
        return Several.Status(removed.Select(one => one.Error).ToList());
    }

    /// <summary>Removes each that can be, in the order of the names in the answer.</summary>
    public static Task<List<RemovedBody>> RemoveAsync(MitosClient client, IReadOnlyList<string> ids, CancellationToken cancellationToken) =>
        RemoveAsync($"removing {Output.Count(ids.Count, "sandbox")}", ids, client.RemoveAsync, cancellationToken);

    /// <inheritdoc cref="RemoveAsync(MitosClient, IReadOnlyList{string}, CancellationToken)"/>
    public static async Task<List<RemovedBody>> RemoveAsync(string what, IReadOnlyList<string> names, Func<string, CancellationToken, Task> remove, CancellationToken cancellationToken)
    {
        var results = await Several.RunAsync(what, names, async (name, token) =>
        {
            await remove(name, token);
            return true;
        }, cancellationToken);
        return results.Select(one => new RemovedBody(one.Name, one.Error is null, one.Error)).ToList();
    }
}
