using System.CommandLine;
using Mitos.Cli.Processes;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>up, down, status.</summary>
internal static class DaemonCommands
{
    public static IEnumerable<Command> All() => [Up(), Down(), Status()];

    private static Command Up()
    {
        var foreground = new Option<bool>("--foreground") { Description = "Stay, and print the daemon's log here" };
        var vmm = new VmmOptions();
        return vmm.AddTo(new Command("up", "Start the daemon, and build the template `base` if there is none") { foreground }).Runs(async (client, result, json, cancellationToken) =>
        {
            if (vmm.Given(result) && await Daemon.TryHealthAsync(client, cancellationToken) is { } running)
                throw new MitosException(new ErrorBody(ErrorCodes.Conflict, $"mitosd runs already, as process {running.Pid}, with the VMM that it chose.", "End it first with `mitos down`, then start it with another."));
            vmm.Apply(result);
            if (result.GetValue(foreground))
                return await Daemon.RunAsync(client, cancellationToken);
            var started = await Daemon.EnsureUpAsync(client, cancellationToken);
            Print(await client.GetHealthAsync(cancellationToken), json);
            if (started && !json)
                Welcome(await client.GetEndpointsAsync(cancellationToken));
            return ExitCode.Ok;
        });
    }

    private static void Welcome(EndpointsBody endpoints)
    {
        if ((endpoints.DomainUrl ?? endpoints.Url) is { } url)
            Output.Note($"it serves HTTP at {url.TrimEnd('/')}, with the key in {Settings.KeyFile}: `eval \"$(mitos env)\"` points E2B's SDKs there");
        Output.Note("next: `mitos create --name dev`, `mitos exec dev -- uname -a`, `mitos fork dev --count 8`; `mitos help` lists all commands, `mitos down` ends it");
    }

    private static Command Down()
    {
        var all = new Option<bool>("--all") { Description = "Remove all sandboxes first" };
        return new Command("down", "Stop the daemon; sandboxes go on and are there again after `up`") { all }.Runs(async (client, result, json, cancellationToken) =>
        {
            if (result.GetValue(all))
                await Daemon.EnsureUpForLeftAsync(client, cancellationToken);
            if (result.GetValue(all) && await Daemon.TryHealthAsync(client, cancellationToken) is not null)
            {
                var ids = (await client.ListAsync(false, cancellationToken)).Select(sandbox => sandbox.Id).ToList();
                var failed = (await RemoveCommand.RemoveAsync(client, ids, cancellationToken)).Where(one => one.Error is { Code: not ErrorCodes.NotFound }).ToList();
                failed.ForEach(one => Output.Failure(one.Error!, json));
                if (failed.Count > 0)
                    return ExitCode.Partial;
            }
            var health = await Daemon.StopAsync(client, cancellationToken);
            if (json)
                Output.Json(new StoppedBody(health is not null, health?.Sandboxes ?? 0), CliJson.Default.StoppedBody);
            else if (health is null)
                Output.Line("mitosd does not run");
            else
                Output.Line(health.Sandboxes > 0 ? $"mitosd has ended; {Output.Count(health.Sandboxes, "sandbox")} {(health.Sandboxes == 1 ? "goes on, and is" : "go on, and are")} there again after `mitos up`" : "mitosd has ended");
            return ExitCode.Ok;
        });
    }

    private static Command Status() => new Command("status", "Say whether the daemon runs").Runs(async (client, _, json, cancellationToken) =>
    {
        Print(await client.GetHealthAsync(cancellationToken), json);
        return ExitCode.Ok;
    });

    private static void Print(HealthBody health, bool json)
    {
        if (json)
            Output.Json(health, ContractsJson.Default.HealthBody);
        else
            Output.Line($"mitosd {health.Version} runs as process {health.Pid} with {Output.Count(health.Sandboxes, "sandbox")}; {Settings.Where}");
    }
}
