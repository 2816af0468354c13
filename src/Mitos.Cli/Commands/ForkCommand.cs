using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>fork: children of a sandbox.</summary>
internal static class ForkCommand
{
    public static Command Make()
    {
        var id = Arguments.Sandbox();
        var count = new Option<int>("--count", "-c") { Description = "Number of children, 1 to 100", DefaultValueFactory = _ => 1 };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for new processes in the children; may be repeated" };
        var timeout = new TimeoutOptions("as long as the source");
        return timeout.AddTo(new Command("fork", "Fork a sandbox: one that runs goes on, one that is paused stays so\n  mitos fork dev --count 8") { id, count, env }).Runs(async (client, result, json, cancellationToken) =>
        {
            var (source, children) = (result.GetRequiredValue(id), result.GetValue(count));
            var fork = await Waiting.ShowAsync($"forking {source} into {children}",
                client.ForkAsync(source, new ForkRequest
                {
                    Count = children,
                    Env = CommandRunner.Pairs(result.GetValue(env)),
                    TimeoutSeconds = timeout.Seconds(result),
                    OnTimeout = timeout.OnTimeout(result),
                }, cancellationToken));
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
                Output.Note($"{(fork.Timings.PauseUs == 0 ? "source is paused" : $"source paused {Output.Ms(fork.Timings.PauseUs)} ms")}; delta {Output.MiB(fork.Timings.DeltaBytes)} MiB; {ready} of {fork.Children.Count} ready after {Output.Ms(fork.Timings.TotalUs)} ms");
            }
            return ready == fork.Children.Count ? ExitCode.Ok : ExitCode.Partial;
        });
    }
}
