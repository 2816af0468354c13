using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Mitos.Cli.Commands;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;
using Spectre.Console;
using Tree = Spectre.Console.Tree;

namespace Mitos.Cli.Demo;

/// <summary>demo: an agent warms up, is forked while it runs, and eight children each try an idea of their own.</summary>
internal static class DemoCommand
{
    private const int Children = 8, WarmUpSeconds = 12;

    // What each child believes of where the answer lies: in names, documentation, calls, file names.
    private static readonly (string Name, string Weights)[] Strategies =
    [
        ("names only", "1 0 0 0"), ("documentation only", "0 1 0 0"), ("calls only", "0 0 1 0"), ("names and documentation", "1 1 0 0"),
        ("documentation first", "1 3 0 0"), ("everything alike", "1 1 1 1"), ("documentation and files", "0 2 0 1"), ("names, documentation, files", "2 3 0 1"),
    ];

    public static Command Make() => new Command("demo", "Warm up an agent, fork it into 8 while it runs, give each an idea, keep the best")
        .Runs((client, _, _, cancellationToken) => RunAsync(client, cancellationToken));

    private static async Task<int> RunAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var started = await DaemonCommands.EnsureUpAsync(client, cancellationToken);
        var sandboxes = new List<string>();
        try
        {
            return await ShowAsync(client, sandboxes, cancellationToken);
        }
        finally
        {
            foreach (var id in sandboxes)
                await CommandRunner.GuardAsync(async () => { await client.RemoveAsync(id, CancellationToken.None); return 0; });
            if (started)
                await DaemonCommands.StopAsync(client, CancellationToken.None);
            Output.Note("all sandboxes of the demo are removed" + (started ? ", and its daemon has ended" : ""));
        }
    }

    private static async Task<int> ShowAsync(MitosClient client, List<string> sandboxes, CancellationToken cancellationToken)
    {
        Output.Note($"1/4 a sandbox, and an agent that warms up in it for about {WarmUpSeconds} s: it reads Python's standard library into memory");
        var clock = Stopwatch.StartNew();
        var source = (await client.CreateAsync(new CreateSandboxRequest(), cancellationToken)).Id;
        sandboxes.Add(source);
        var created = clock.Elapsed;
        await WarmUpAsync(client, source, cancellationToken);
        var warm = clock.Elapsed;
        var alone = (await client.GetAsync(source, cancellationToken)).Memory!;
        Output.Line($"    {await ShellAsync(client, source, "cat /tmp/agent/ready", cancellationToken)}; created in {Seconds(created)} s, warm after {Seconds(warm)} s; {Output.MiB(alone.PrivateBytes)} MiB of its own");

        Output.Note($"2/4 the fork of the running machine into {Children}");
        var fork = await client.ForkAsync(source, new ForkRequest { Count = Children }, cancellationToken);
        sandboxes.AddRange(fork.Children.Where(child => child.Sandbox is not null).Select(child => child.Sandbox!.Id));
        foreach (var child in fork.Children.Where(child => child.Error is not null))
            Output.Failure($"child {child.Index}: {child.Error!.Message}", child.Error.Remedy);
        Output.Line($"    paused for {Output.Ms(fork.Timings.PauseUs)} ms to copy {Output.MiB(fork.Timings.DeltaBytes)} MiB; all {Children} ready after {Seconds(TimeSpan.FromMicroseconds(fork.Timings.TotalUs))} s");

        Output.Note("3/4 each child's agent, still running, gets a strategy of its own");
        var results = await Task.WhenAll(fork.Children.Where(child => child.Sandbox is not null).Select(child => TryAsync(client, child, cancellationToken)));
        var best = results.MaxBy(result => result.Score)!;
        Print(source, alone, results, best);

        Output.Note("4/4 the best is kept, the rest removed; then it goes too");
        foreach (var result in results.Where(result => result != best))
        {
            await client.RemoveAsync(result.Id, cancellationToken);
            sandboxes.Remove(result.Id);
        }
        Compare(alone, warm, fork, results);
        return results.Length == Children ? ExitCode.Ok : ExitCode.Partial;
    }

    private static async Task WarmUpAsync(MitosClient client, string id, CancellationToken cancellationToken)
    {
        using var script = Assembly.GetExecutingAssembly().GetManifestResourceStream("agent.py")!;
        await client.WriteFileAsync(id, "/tmp/agent/agent.py", script, "", "", cancellationToken);
        await ShellAsync(client, id, $"cd /tmp/agent && mkfifo ask answer && (setsid python3 agent.py {WarmUpSeconds} >log 2>&1 </dev/null &)", cancellationToken);
        await ShellAsync(client, id, "while [ ! -s /tmp/agent/ready ]; do pgrep -f agent.py >/dev/null || { cat /tmp/agent/log; exit 1; }; sleep 0.2; done", cancellationToken);
    }

    private static async Task<Result> TryAsync(MitosClient client, ForkChildBody child, CancellationToken cancellationToken)
    {
        var id = child.Sandbox!.Id;
        var (name, weights) = Strategies[child.Index];
        var clock = Stopwatch.StartNew();
        await client.ExecAsync(id, new ExecRequest { Argv = ["/bin/true"] }, cancellationToken);
        var first = clock.Elapsed;
        var answer = (await ShellAsync(client, id, $"echo {weights} >/tmp/agent/ask; cat /tmp/agent/answer", cancellationToken)).Split(' ');
        var memory = (await client.GetAsync(id, cancellationToken)).Memory!;
        return new Result(id, child.Index, name, child.ReadyUs, first, memory, child.Sandbox.GenerationBytes, double.Parse(answer[0], CultureInfo.InvariantCulture));
    }

    private static void Print(string source, MemoryBody alone, Result[] results, Result best)
    {
        var tree = new Tree(new Text($"{source}  the source, still running  private {Output.MiB(alone.PrivateBytes)} MiB"));
        foreach (var result in results.OrderBy(result => result.Index))
        {
            tree.AddNode(new Text($"{result.Id}  ready {Output.Ms(result.ReadyUs),6} ms  first command {result.First.TotalMilliseconds,5:F0} ms  private {Output.MiB(result.Memory.PrivateBytes),5} MiB  score {result.Score:F3}  {result.Strategy}{(result == best ? "  <- best" : "")}"));
        }
        Output.Tree(tree);
    }

    private static void Compare(MemoryBody alone, TimeSpan warm, ForkBody fork, Result[] results)
    {
        var forked = TimeSpan.FromMicroseconds(fork.Timings.TotalUs);
        var own = results.Sum(result => result.Memory.PrivateBytes + result.Memory.VmmBytes);
        var shared = results.Max(result => result.GenerationBytes);
        var rebuilt = Children * (alone.PrivateBytes + alone.VmmBytes);
        Output.Table([$"a fleet of {Children}", "time s", "memory MiB", "how known"], new List<string[]>
        {
            new[] { "forked", Seconds(forked), Output.MiB(own), $"measured; beside it {Output.MiB(shared)} MiB of image, once for all" },
            new[] { "rebuilt", Seconds(warm * Children), Output.MiB(rebuilt), $"{Children} x the one measured above ({Seconds(warm)} s), one after the other" },
            new[] { "rebuilt at once", Seconds(warm * Children / Environment.ProcessorCount), Output.MiB(rebuilt), $"the same on {Environment.ProcessorCount} cores, at the very best" },
        });
        Output.Line(string.Create(CultureInfo.InvariantCulture, $"forked: {warm * Children / Environment.ProcessorCount / forked:F0} times faster than the very best rebuild, {(double)rebuilt / own:F1} times less memory of their own"));
    }

    private static async Task<string> ShellAsync(MitosClient client, string id, string command, CancellationToken cancellationToken)
    {
        var done = await client.ExecAsync(id, new ExecRequest { Argv = ["/bin/bash", "-c", command] }, cancellationToken);
        return done.ExitCode == 0 ? done.Stdout.Trim() : throw new IOException($"In sandbox {id} `{command}` ended with {done.ExitCode}: {done.Stdout}{done.Stderr}");
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture);

    private sealed record Result(string Id, int Index, string Strategy, long ReadyUs, TimeSpan First, MemoryBody Memory, long GenerationBytes, double Score);
}
