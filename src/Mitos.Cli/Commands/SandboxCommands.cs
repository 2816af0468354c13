using System.CommandLine;
using System.Globalization;
using Mitos.Cli.Terminal;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>create, ls, inspect.</summary>
internal static class SandboxCommands
{
    public static IEnumerable<Command> All() => [Create(), List(), Inspect()];

    private static Command Create()
    {
        var template = new Option<string?>("--template", "-t") { Description = "Template to make it from (default: base)" }.CompletesTemplates();
        var snapshot = Arguments.Snapshot("Snapshot to make it from instead, going on where that was taken");
        var cpu = new Option<int?>("--cpu") { Description = "Virtual cpus, 1 to 32 (default: the template's)" };
        var memory = new Option<int?>("--memory") { Description = "Memory in MiB, 128 to 65536 (default: the template's)" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for every process in it; may be repeated" };
        var name = new Option<string?>("--name", "-n") { Description = "A name for it, usable wherever an id is" };
        var timeout = new TimeoutOptions("until it is removed");
        return timeout.AddTo(new Command("create", "Create a sandbox and print its id\n  mitos create --name dev --env MODE=test\n  mitos create --snapshot golden --timeout 10m --on-timeout pause") { template, snapshot, cpu, memory, env, name })
            .Runs(async (client, result, json, cancellationToken) =>
            {
                var source = result.GetValue(snapshot) is { } kept ? $"snapshot {kept}" : $"template {result.GetValue(template) ?? "base"}";
                var sandbox = await Waiting.ShowAsync($"creating a sandbox of {source}", client.CreateAsync(new CreateSandboxRequest
                {
                    Template = result.GetValue(template),
                    Snapshot = result.GetValue(snapshot),
                    CpuCount = result.GetValue(cpu),
                    MemoryMiB = result.GetValue(memory),
                    Name = result.GetValue(name),
                    Env = CommandRunner.Pairs(result.GetValue(env)),
                    TimeoutSeconds = timeout.Seconds(result),
                    OnTimeout = timeout.OnTimeout(result),
                }, cancellationToken));
                if (json)
                    Output.Json(sandbox, ContractsJson.Default.SandboxBody);
                else
                    Output.Line(sandbox.Id);
                return ExitCode.Ok;
            });
    }

    private static Command List()
    {
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Print ids only" };
        return new Command("ls", "List sandboxes") { quiet }.Runs(async (client, result, json, cancellationToken) =>
        {
            var all = await client.ListAsync(memory: json || !result.GetValue(quiet), cancellationToken);
            if (json)
                Output.Json(all, ContractsJson.Default.ListSandboxBody);
            else if (result.GetValue(quiet))
                all.ForEach(sandbox => Output.Line(sandbox.Id));
            else
                Output.Table(["id", "name", "state", "template", "age", "private MiB", "shared MiB", "vmm MiB", "on disk MiB", "ends"], all.Select(sandbox => new[]
                {
                    sandbox.Id, sandbox.Name ?? "-", sandbox.State, sandbox.Template, Output.Age(sandbox.CreatedAt),
                    Output.MiB(sandbox.Memory?.PrivateBytes), Output.MiB(sandbox.Memory?.SharedBytes), Output.MiB(sandbox.Memory?.VmmBytes),
                    Output.MiB(sandbox.SavedBytes), Ends(sandbox),
                }));
            return ExitCode.Ok;
        });
    }

    private static Command Inspect()
    {
        var id = Arguments.Sandbox();
        return new Command("inspect", "Show everything about a sandbox") { id }.Runs(async (client, result, json, cancellationToken) =>
        {
            var sandbox = await client.GetAsync(result.GetRequiredValue(id), cancellationToken);
            if (json)
                Output.Json(sandbox, ContractsJson.Default.SandboxBody);
            else
                Output.Table(["what", "is"], Describe(sandbox));
            return ExitCode.Ok;
        });
    }

    private static IEnumerable<string[]> Describe(SandboxBody sandbox) =>
    [
        ["id", sandbox.Id], ["name", sandbox.Name ?? "-"], ["state", sandbox.State + (sandbox.StopReason is { } reason ? $": {reason}" : "")],
        ["template", $"{sandbox.Template} (generation {sandbox.Generation}, {Output.MiB(sandbox.GenerationBytes)} MiB)"],
        ["machine", $"{sandbox.CpuCount} cpu, {sandbox.MemoryMiB} MiB, {(sandbox.VmmPid is { } pid ? string.Create(CultureInfo.InvariantCulture, $"VMM process {pid}") : "no VMM")}"],
        ["on disk", sandbox.SavedBytes is { } saved ? $"{Output.MiB(saved)} MiB, paused {Time(sandbox.PausedAt!.Value)}{(sandbox.FilesOnly == true ? ", its files only" : "")}" : "-"],
        ["ends", sandbox.EndsAt is { } end ? $"{Time(end)}: {sandbox.OnTimeout}" : "-"],
        ["created", Time(sandbox.CreatedAt)], ["stopped", sandbox.StoppedAt is { } stopped ? Time(stopped) : "-"],
        ["forked from", sandbox.ForkedFrom ?? "-"], ["lineage", sandbox.Lineage.Count > 0 ? string.Join(" > ", sandbox.Lineage) : "-"],
        ["memory", sandbox.Memory is { } memory ? $"private {Output.MiB(memory.PrivateBytes)}, shared {Output.MiB(memory.SharedBytes)}, vmm {Output.MiB(memory.VmmBytes)} MiB" : "-"],
        ["disk layers", sandbox.DiskLayers.ToString(CultureInfo.InvariantCulture)],
        ["env", sandbox.Env.Count > 0 ? string.Join(' ', sandbox.Env.Select(pair => $"{pair.Key}={pair.Value}")) : "-"],
    ];

    // A paused one outlives its end.
    private static string Ends(SandboxBody sandbox) =>
        sandbox is { EndsAt: { } end, State: not "paused" } ? $"{sandbox.OnTimeout} in {Output.Left(end)}" : "-";

    private static string Time(DateTimeOffset time) => time.ToString("u", CultureInfo.InvariantCulture);
}
