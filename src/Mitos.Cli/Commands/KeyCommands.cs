using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;

namespace Mitos.Cli.Commands;

/// <summary>keys ls, create, rm.</summary>
internal static class KeyCommands
{
    public static Command Make() => new("keys", "List, create and remove API keys") { List(), Create(), Remove() };

    private static Command List() => new Command("ls", "List API keys, without the keys themselves").Runs(async (client, _, json, cancellationToken) =>
    {
        var all = await client.ListKeysAsync(cancellationToken);
        if (json)
            Output.Json(all, ContractsJson.Default.ListKeyBody);
        else
            Output.Table(["id", "name", "team", "age", "expires"], all.Select(key => new[] { key.Id, key.Name, key.Team ?? "-", Output.Age(key.CreatedAt), Expiry.Describe(key.ExpiresAt) }));
        return ExitCode.Ok;
    });

    private static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "What it is for, 1 to 100 characters", HelpName = "NAME" };
        var team = new Option<string?>("--team") { Description = "Id or name of the team that it is to act for (default: default)" };
        var expires = new Option<string?>("--expires") { Description = "Its end: 30d from now on, 2027-01-31 or 2027-01-31T18:00 (UTC), or never (default: never)", HelpName = "when" };
        return new Command("create", "Create an API key and print it; it is shown only once\n  mitos keys create ci\n  mitos keys create visitor --expires 30d") { name, team, expires }.Runs(async (client, result, json, cancellationToken) =>
        {
            var key = await client.CreateKeyAsync(result.GetRequiredValue(name), result.GetValue(team), Expiry.Parse(result.GetValue(expires), DateTimeOffset.UtcNow), cancellationToken);
            if (json)
            {
                Output.Json(key, ContractsJson.Default.KeyBody);
            }
            else
            {
                Output.Line(key.Key!);
                Output.Note($"its id is {key.Id}: `mitos keys rm {key.Id}` removes it");
                if (key.ExpiresAt is { } end)
                    Output.Note($"it expires at {end.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
            }
            return ExitCode.Ok;
        });
    }

    private static Command Remove()
    {
        var ids = Arguments.SeveralKeys();
        return new Command("rm", "Remove API keys; they are not valid any more at once") { ids }.Runs(async (client, result, json, cancellationToken) =>
        {
            var named = result.GetRequiredValue(ids);
            var removed = await RemoveCommand.RemoveAsync($"removing {Output.Count(named.Length, "key")}", named, client.DeleteKeyAsync, cancellationToken);
            return RemoveCommand.Report(await SuggestAsync(client, removed, cancellationToken), json);
        });
    }

    // The name is what people remember, the id is what is asked for.
    private static async Task<List<RemovedBody>> SuggestAsync(MitosClient client, List<RemovedBody> removed, CancellationToken cancellationToken)
    {
        if (removed.All(one => one.Error?.Code != ErrorCodes.NotFound))
            return removed;
        var known = await client.ListKeysAsync(cancellationToken);
        return removed.Select(one => one.Error is { Code: ErrorCodes.NotFound } error && Remedy(one.Id) is { } remedy ? one with { Error = error with { Remedy = remedy } } : one).ToList();

        string? Remedy(string typed) => known.FirstOrDefault(key => key.Name == typed) is { } named
            ? $"The key of that name has the id {named.Id}."
            : Nearest.Suggest(typed, known.Select(key => key.Id));
    }
}
