using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>fork: children of a sandbox.</summary>
internal static class ForkCommand
{
    public static Command Make()
    {
        var id = Arguments.OptionalSandbox();
        var snapshot = Arguments.Snapshot("Snapshot to fork instead of a sandbox");
        var count = new Option<int>("--count", "-c") { Description = "Number of children, 1 to 100", DefaultValueFactory = _ => 1 };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for new processes in the children; may be repeated" };
        var timeout = new TimeoutOptions("as long as the source");
        var command = timeout.AddTo(new Command("fork", "Fork a sandbox: one that runs goes on, one that is paused stays so\n  mitos fork dev --count 8\n  mitos fork --snapshot golden --count 8") { id, snapshot, count, env });
        command.Validators.Add(result =>
        {
            if (result.GetValue(id) is null == result.GetValue(snapshot) is null)
                result.AddError("Give the ID of a sandbox to fork, or --snapshot.");
        });
        return command.Runs(async (client, result, json, cancellationToken) =>
        {
            var request = new ForkRequest
            {
                Count = result.GetValue(count),
                Env = CommandRunner.Pairs(result.GetValue(env)),
                TimeoutSeconds = timeout.Seconds(result),
                OnTimeout = timeout.OnTimeout(result),
            };
            var kept = result.GetValue(snapshot);
            var (source, forking) = kept is null
                ? (result.GetValue(id)!, ForkAsync(client, result.GetValue(id)!, request, cancellationToken))
                : ($"snapshot {kept}", client.ForkSnapshotAsync(kept, request, cancellationToken));
            var fork = await Waiting.ShowAsync($"forking {source} into {request.Count}", forking);
            var ready = fork.Children.Count(child => child.Error is null);
            if (json)
            {
                Output.Json(fork, ContractsJson.Default.ForkBody);
            }
            else
            {
                Output.Table(["child", "id", "ready ms", "error"], fork.Children.Select(child => new[]
                {
                    $"{child.Index}", child.Sandbox?.Id ?? "-", Output.Ms(child.ReadyUs), child.Error is { } error ? $"{error.Message} {error.Remedy}" : "-",
                }));
                Output.Note($"{(fork.Timings.PauseUs == 0 ? "nothing was paused for it" : $"source paused {Output.Ms(fork.Timings.PauseUs)} ms")}; delta {Output.MiB(fork.Timings.DeltaBytes)} MiB; {ready} of {fork.Children.Count} ready after {Output.Ms(fork.Timings.TotalUs)} ms");
            }
            return ready == fork.Children.Count ? ExitCode.Ok : ExitCode.Partial;
        });
    }

    private static async Task<ForkBody> ForkAsync(MitosClient client, string id, ForkRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ForkAsync(id, request, cancellationToken);
        }
        catch (MitosException e) when (e.Code == ErrorCodes.NotFound)
        {
            if ((await client.ListSnapshotsAsync(null, cancellationToken)).Any(snapshot => snapshot.Id == id || snapshot.Name == id))
                throw new MitosException(new ErrorBody(e.Code, $"There is no sandbox '{id}', but a snapshot of that name.", $"Make sandboxes of it with `mitos fork --snapshot {id}`."), e);
            throw;
        }
    }
}
