using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>snapshot create, ls, rm.</summary>
internal static class SnapshotCommands
{
    public static Command Make() => new("snapshot", "Keep states of sandboxes, of which others can be made") { Create(), List(), Remove() };

    private static Command Create()
    {
        var id = Arguments.Sandbox();
        var name = new Option<string?>("--name", "-n") { Description = "A name for it, usable wherever its id is" };
        return new Command("create", "Keep the present state of a sandbox, which goes on\n  mitos snapshot create dev --name golden\n  mitos create --snapshot golden") { id, name }.Runs(async (client, result, json, cancellationToken) =>
        {
            var sandbox = result.GetRequiredValue(id);
            var taken = await Waiting.ShowAsync($"taking a snapshot of {sandbox}", client.CreateSnapshotAsync(sandbox, result.GetValue(name), cancellationToken));
            if (json)
            {
                Output.Json(taken, ContractsJson.Default.SnapshotBody);
            }
            else
            {
                Output.Line(taken.Id);
                Output.Note($"{taken.Name ?? taken.Id}: {Output.MiB(taken.FileBytes)} MiB on disk");
            }
            return ExitCode.Ok;
        });
    }

    private static Command List()
    {
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Print ids only" };
        return new Command("ls", "List snapshots") { quiet }.Runs(async (client, result, json, cancellationToken) =>
        {
            var all = await client.ListSnapshotsAsync(null, cancellationToken);
            if (json)
                Output.Json(all, ContractsJson.Default.ListSnapshotBody);
            else if (result.GetValue(quiet))
                all.ForEach(snapshot => Output.Line(snapshot.Id));
            else
                Output.Table(["id", "name", "sandbox", "template", "age", "cpu", "memory MiB", "delta MiB", "on disk MiB"], all.Select(snapshot => new[]
                {
                    snapshot.Id, snapshot.Name ?? "-", snapshot.Sandbox, snapshot.Template, Output.Age(snapshot.CreatedAt), $"{snapshot.CpuCount}", $"{snapshot.MemoryMiB}",
                    Output.MiB(snapshot.DeltaBytes), Output.MiB(snapshot.FileBytes),
                }));
            return ExitCode.Ok;
        });
    }

    private static Command Remove()
    {
        var snapshots = Arguments.SeveralSnapshots();
        return new Command("rm", "Remove snapshots; sandboxes made of them stay") { snapshots }.Runs(async (client, result, json, cancellationToken) =>
        {
            var names = result.GetRequiredValue(snapshots);
            return RemoveCommand.Report(await RemoveCommand.RemoveAsync($"removing {Output.Count(names.Length, "snapshot")}", names, client.RemoveSnapshotAsync, cancellationToken), json);
        });
    }
}
