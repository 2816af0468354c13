using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Contracts;
using Spectre.Console;
using Tree = Spectre.Console.Tree;

namespace Mitos.Cli.Commands;

/// <summary>create, ls, inspect, fork, tree, rm, logs.</summary>
internal static class SandboxCommands
{
    public static IEnumerable<Command> All() => [Create(), Fork(), TreeOf(), List(), Inspect(), Remove(), Logs()];

    private static Command Create()
    {
        var template = Names.Template(new Option<string>("--template", "-t") { Description = "Template to make it from", DefaultValueFactory = _ => "base" });
        var cpu = new Option<int?>("--cpu") { Description = "Virtual cpus (default: the template's)" };
        var memory = new Option<int?>("--memory") { Description = "Memory in MiB (default: the template's)" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for every process in it; may be repeated" };
        var name = new Option<string?>("--name", "-n") { Description = "A name for it" };
        return new Command("create", "Create a sandbox and print its id\n  mitos create --name dev --env MODE=test") { template, cpu, memory, env, name }
            .Runs(async (client, result, json, cancellationToken) =>
            {
                var sandbox = await client.CreateAsync(new CreateSandboxRequest
                {
                    Template = result.GetValue(template), CpuCount = result.GetValue(cpu), MemoryMiB = result.GetValue(memory),
                    Name = result.GetValue(name), Env = CommandRunner.Pairs(result.GetValue(env)),
                }, cancellationToken);
                if (json)
                    Output.Json(sandbox, ContractsJson.Default.SandboxBody);
                else
                    Output.Line(sandbox.Id);
                return ExitCode.Ok;
            });
    }

    private static Command Fork()
    {
        var id = Names.Sandbox();
        var count = new Option<int>("--count", "-c") { Description = "Number of children, 1 to 100", DefaultValueFactory = _ => 1 };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for new processes in the children" };
        return new Command("fork", "Fork a running sandbox; it goes on running\n  mitos fork dev --count 8") { id, count, env }.Runs(async (client, result, json, cancellationToken) =>
        {
            var fork = await client.ForkAsync(result.GetRequiredValue(id), new ForkRequest { Count = result.GetValue(count), Env = CommandRunner.Pairs(result.GetValue(env)) }, cancellationToken);
            if (json)
                Output.Json(fork, ContractsJson.Default.ForkBody);
            else
                Output.Table(["child", "id", "ready ms", "error"], fork.Children.Select(child => new[]
                {
                    $"{child.Index}", child.Sandbox?.Id ?? "-", Output.Ms(child.ReadyUs), child.Error?.Message ?? "",
                }));
            var ready = fork.Children.Count(child => child.Error is null);
            Output.Note($"source paused {Output.Ms(fork.Timings.PauseUs)} ms; delta {Output.MiB(fork.Timings.DeltaBytes)} MiB; {ready} of {fork.Children.Count} ready after {Output.Ms(fork.Timings.TotalUs)} ms");
            return ready == fork.Children.Count ? ExitCode.Ok : ExitCode.Partial;
        });
    }

    private static Command TreeOf() => new Command("tree", "Show who was forked from whom, with state, age and memory (MiB)").Runs(async (client, _, json, cancellationToken) =>
    {
        var all = await client.ListAsync(memory: true, cancellationToken);
        if (json)
        {
            Output.Json(all, ContractsJson.Default.ListSandboxBody);
            return ExitCode.Ok;
        }
        var known = all.ToDictionary(sandbox => sandbox.Id);
        var tree = new Tree(new Text($"{all.Count} sandboxes"));
        var nodes = new Dictionary<string, TreeNode>();
        foreach (var sandbox in all)
            Place(sandbox.Lineage.Append(sandbox.Id).ToList());
        Output.Tree(tree);
        return ExitCode.Ok;

        // Ancestors that are gone stay in the picture, so that a lineage is never torn.
        void Place(List<string> path)
        {
            TreeNode? above = null;
            foreach (var id in path)
            {
                if (!nodes.TryGetValue(id, out var node))
                    nodes[id] = node = (above is null ? tree.AddNode(Label(id)) : above.AddNode(Label(id)));
                above = node;
            }
        }

        Text Label(string id) => new(known.TryGetValue(id, out var sandbox)
            ? $"{sandbox.Id}{(sandbox.Name is { } name ? $" ({name})" : "")}  {sandbox.State}  {Output.Age(sandbox.CreatedAt)}  private {Output.MiB(sandbox.Memory?.PrivateBytes)}  shared {Output.MiB(sandbox.Memory?.SharedBytes)}  vmm {Output.MiB(sandbox.Memory?.VmmBytes)}"
            : $"{id}  gone");
    });

    private static Command List()
    {
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Ids only" };
        return new Command("ls", "List sandboxes") { quiet }.Runs(async (client, result, json, cancellationToken) =>
        {
            var all = await client.ListAsync(memory: !result.GetValue(quiet), cancellationToken);
            if (json)
                Output.Json(all, ContractsJson.Default.ListSandboxBody);
            else if (result.GetValue(quiet))
                all.ForEach(sandbox => Output.Line(sandbox.Id));
            else
                Output.Table(["id", "name", "state", "template", "age", "private MiB", "shared MiB", "vmm MiB"], all.Select(sandbox => new[]
                {
                    sandbox.Id, sandbox.Name ?? "-", sandbox.State, sandbox.Template, Output.Age(sandbox.CreatedAt),
                    Output.MiB(sandbox.Memory?.PrivateBytes), Output.MiB(sandbox.Memory?.SharedBytes), Output.MiB(sandbox.Memory?.VmmBytes),
                }));
            return ExitCode.Ok;
        });
    }

    private static Command Inspect()
    {
        var id = Names.Sandbox();
        return new Command("inspect", "Show everything about a sandbox") { id }.Runs(async (client, result, json, cancellationToken) =>
        {
            var sandbox = await client.GetAsync(result.GetRequiredValue(id), cancellationToken);
            if (json)
            {
                Output.Json(sandbox, ContractsJson.Default.SandboxBody);
                return ExitCode.Ok;
            }
            Output.Table(["what", "is"], new List<string[]>
            {
                new[] { "id", sandbox.Id }, new[] { "name", sandbox.Name ?? "-" }, new[] { "state", sandbox.State + (sandbox.StopReason is { } reason ? $": {reason}" : "") },
                new[] { "template", $"{sandbox.Template} (generation {sandbox.Generation})" }, new[] { "machine", $"{sandbox.CpuCount} cpu, {sandbox.MemoryMiB} MiB, VMM process {sandbox.VmmPid?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "-"}" },
                new[] { "created", sandbox.CreatedAt.ToString("u", System.Globalization.CultureInfo.InvariantCulture) },
                new[] { "forked from", sandbox.ForkedFrom ?? "-" }, new[] { "lineage", sandbox.Lineage.Count > 0 ? string.Join(" > ", sandbox.Lineage) : "-" },
                new[] { "memory", $"private {Output.MiB(sandbox.Memory?.PrivateBytes)}, shared {Output.MiB(sandbox.Memory?.SharedBytes)}, vmm {Output.MiB(sandbox.Memory?.VmmBytes)} MiB" },
                new[] { "disk layers", sandbox.DiskLayers.ToString(System.Globalization.CultureInfo.InvariantCulture) },
                new[] { "env", string.Join(' ', sandbox.Env.Select(pair => $"{pair.Key}={pair.Value}")) },
            });
            return ExitCode.Ok;
        });
    }

    private static Command Remove()
    {
        var ids = Names.Sandboxes();
        var all = new Option<bool>("--all") { Description = "All sandboxes" };
        return new Command("rm", "Remove sandboxes; their children stay") { ids, all }.Runs(async (client, result, json, cancellationToken) =>
        {
            var which = result.GetValue(all) ? (await client.ListAsync(false, cancellationToken)).Select(sandbox => sandbox.Id).ToArray() : result.GetValue(ids) ?? [];
            if (which.Length == 0 && !result.GetValue(all))
                throw new ArgumentException("Name the sandboxes to remove, or give --all.");
            var status = ExitCode.Ok;
            var gone = new List<string>();
            foreach (var id in which)
            {
                var removed = await CommandRunner.GuardAsync(async () =>
                {
                    await client.RemoveAsync(id, cancellationToken);
                    gone.Add(id);
                    if (!json)
                        Output.Line(id);
                    return ExitCode.Ok;
                });
                status = removed == ExitCode.Ok ? status : removed;
            }
            if (json)
                Output.Json(gone);
            return status;
        });
    }

    private static Command Logs()
    {
        var id = Names.Sandbox();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on as more comes" };
        return new Command("logs", "Show the console of a sandbox: its kernel's and its agent's words") { id, follow }.Runs(async (client, result, _, cancellationToken) =>
        {
            using var output = Console.OpenStandardOutput();
            var shown = 0;
            while (true)
            {
                var bytes = await client.GetConsoleAsync(result.GetRequiredValue(id), 1 << 20, cancellationToken);
                output.Write(bytes.AsSpan(Math.Min(shown, bytes.Length)));
                shown = bytes.Length;
                if (!result.GetValue(follow))
                    return ExitCode.Ok;
                await Task.Delay(500, cancellationToken);
            }
        });
    }
}
