using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Mitos.Cli.Commands;
using Mitos.Cli.Processes;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Demo;

/// <summary>demo: an agent warms up, is forked while it runs, and eight children each try an idea of their own.</summary>
internal static class DemoCommand
{
    private const int WarmUpSeconds = 12;

    // What each child believes of where the answer lies: in names, documentation, calls, file names.
    private static readonly (string Name, string Weights)[] Strategies =
    [
        ("names", "1 0 0 0"), ("docs", "0 1 0 0"), ("calls", "0 0 1 0"), ("names, docs", "1 1 0 0"),
        ("docs first", "1 3 0 0"), ("all alike", "1 1 1 1"), ("docs, files", "0 2 0 1"), ("names, docs, files", "2 3 0 1"),
    ];

    public static Command Make() => new Command("demo", "Warm up an agent, fork it into 8 while it runs, give each an idea, keep the best")
        .Runs(async (client, _, json, cancellationToken) =>
        {
            var started = await Daemon.EnsureUpAsync(client, cancellationToken);
            var sandboxes = new List<string>();
            try
            {
                return await ShowAsync(client, sandboxes, json, cancellationToken);
            }
            finally
            {
                await RemoveCommand.RemoveAsync(client, sandboxes, CancellationToken.None);
                if (started)
                    await Daemon.StopAsync(client, CancellationToken.None);
                Output.Note("all sandboxes of the demo are removed" + (started ? ", and its daemon has ended" : ""));
            }
        });

    private static async Task<int> ShowAsync(MitosClient client, List<string> sandboxes, bool json, CancellationToken cancellationToken)
    {
        Output.Note($"1/4 a sandbox, and an agent that warms up in it for about {WarmUpSeconds} s: it reads Python's standard library into memory");
        var clock = Stopwatch.StartNew();
        var source = (await client.CreateAsync(new CreateSandboxRequest(), cancellationToken)).Id;
        sandboxes.Add(source);
        var created = clock.Elapsed;
        await Waiting.ShowAsync("the agent warms up", WarmUpAsync(client, source, cancellationToken));
        var warm = clock.Elapsed;
        var alone = (await client.GetAsync(source, cancellationToken)).Memory!;
        Output.Note($"    {await ShellAsync(client, source, "cat /tmp/agent/ready", cancellationToken)}; created in {Seconds(created)} s, warm after {Seconds(warm)} s; {Output.MiB(alone.PrivateBytes)} MiB of its own");

        Output.Note($"2/4 the fork of the running machine into {Strategies.Length}");
        // not cancelled: whoever gives up in its middle would not learn the ids that are to be removed
        var fork = await Waiting.ShowAsync("forking", client.ForkAsync(source, new ForkRequest { Count = Strategies.Length }, CancellationToken.None));
        sandboxes.AddRange(fork.Children.Where(child => child.Sandbox is not null).Select(child => child.Sandbox!.Id));
        foreach (var child in fork.Children.Where(child => child.Error is not null))
            Output.Failure(child.Error!, json);
        var ready = fork.Children.Where(child => child.Sandbox is not null).ToList();
        Output.Note($"    paused for {Output.Ms(fork.Timings.PauseUs)} ms to copy {Output.MiB(fork.Timings.DeltaBytes)} MiB; {(ready.Count == fork.Children.Count ? "all" : $"{ready.Count} of")} {fork.Children.Count} ready after {Seconds(TimeSpan.FromMicroseconds(fork.Timings.TotalUs))} s");

        Output.Note("3/4 each child's agent, still running, gets a strategy of its own");
        var children = await Waiting.ShowAsync("the children work", Task.WhenAll(ready.Select(child => TryAsync(client, child, cancellationToken))));
        if (children.MaxBy(child => child.Score) is not { } best)
            return ExitCode.Failed;
        var seen = new DemoBody(source, warm.TotalSeconds, alone, fork.Timings, children.Select(child => child with { Best = child == best }).ToList());
        if (json)
            Output.Json(seen, CliJson.Default.DemoBody);
        else
            DemoReport.Print(seen);

        Output.Note("4/4 the best is kept, the rest removed; then it goes too");
        var rest = children.Where(child => child != best).Select(child => child.Id).ToList();
        await RemoveCommand.RemoveAsync(client, rest, cancellationToken);
        sandboxes.RemoveAll(rest.Contains);
        return children.Length == Strategies.Length ? ExitCode.Ok : ExitCode.Partial;
    }

    private static async Task WarmUpAsync(MitosClient client, string id, CancellationToken cancellationToken)
    {
        using var script = Assembly.GetExecutingAssembly().GetManifestResourceStream("agent.py")!;
        await client.WriteFileAsync(id, "/tmp/agent/agent.py", script, "", "", cancellationToken);
        await ShellAsync(client, id, $"cd /tmp/agent && mkfifo ask answer && (setsid python3 agent.py {WarmUpSeconds} >log 2>&1 </dev/null &)", cancellationToken);
        await ShellAsync(client, id, "while [ ! -s /tmp/agent/ready ]; do pgrep -f agent.py >/dev/null || { cat /tmp/agent/log; exit 1; }; sleep 0.2; done", cancellationToken);
    }

    private static async Task<DemoChildBody> TryAsync(MitosClient client, ForkChildBody child, CancellationToken cancellationToken)
    {
        var id = child.Sandbox!.Id;
        var (name, weights) = Strategies[child.Index];
        var clock = Stopwatch.StartNew();
        await client.ExecAsync(id, new ExecRequest { Argv = ["/bin/true"] }, cancellationToken);
        var first = clock.Elapsed;
        var answer = (await ShellAsync(client, id, $"echo {weights} >/tmp/agent/ask; cat /tmp/agent/answer", cancellationToken)).Split(' ');
        var memory = (await client.GetAsync(id, cancellationToken)).Memory!;
        return new DemoChildBody(id, child.Index, name, child.ReadyUs, (long)first.TotalMicroseconds, memory, child.Sandbox.GenerationBytes, double.Parse(answer[0], CultureInfo.InvariantCulture), false);
    }

    private static async Task<string> ShellAsync(MitosClient client, string id, string command, CancellationToken cancellationToken)
    {
        var done = await client.ExecAsync(id, new ExecRequest { Argv = ["/bin/bash", "-c", command] }, cancellationToken);
        return done.ExitCode == 0 ? done.Stdout.Trim() : throw new IOException($"In sandbox {id} `{command}` ended with {done.ExitCode}: {done.Stdout}{done.Stderr}");
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture);
}
