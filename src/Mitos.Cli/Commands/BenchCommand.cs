using System.CommandLine;
using Mitos.Cli.Processes;

namespace Mitos.Cli.Commands;

/// <summary>bench: runs the benchmark program, which brings an engine of its own.</summary>
internal static class BenchCommand
{
    public static Command Make()
    {
        var arguments = new Argument<string[]>("ARGUMENTS") { Description = "What to do: fork, serve, soak or table, with options; help lists them", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("bench", "Measure forks, and the server, on this host\n  mitos bench fork --json > out.json\n  mitos bench serve --json out.json\n  mitos bench soak --minutes 20") { arguments };
        command.TreatUnmatchedTokensAsErrors = false;
        return command.RunsAlone(async (_, json, _) =>
        {
            var program = Path.Combine(Settings.Programs, "mitos-bench", "mitos-bench");
            if (!File.Exists(program))
                throw new FileNotFoundException($"The benchmark program {program} is missing; `./mitos bench` of a checkout builds it.");
            // as they were typed: its --json may have a file, without which it prints as ours do
            var passed = Environment.GetCommandLineArgs().SkipWhile(word => word != "bench").Skip(1).ToList();
            if (json && !passed.Contains("--json"))
                passed.Add("--json"); // it stood before the command
            return await Child.RunAsync(program, passed);
        });
    }
}
