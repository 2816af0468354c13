using System.CommandLine;
using System.Diagnostics;

namespace Mitos.Cli.Commands;

/// <summary>bench: runs the benchmark program, which brings an engine of its own.</summary>
internal static class BenchCommand
{
    public static Command Make()
    {
        var arguments = new Argument<string[]>("ARGUMENTS") { Description = "fork [--json FILE] [--quick] [--idle N], or table FILE", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("bench", "Measure forks on this host\n  mitos bench fork --json out.json") { arguments };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((result, cancellationToken) => CommandRunner.GuardAsync(async () =>
        {
            var program = Path.Combine(Settings.Programs, "mitos-bench", "mitos-bench");
            if (!File.Exists(program))
                throw new IOException($"The benchmark program {program} is missing; `./mitos bench` of a checkout builds it.");
            // as they were typed: --json is its option here, not ours
            var passed = Environment.GetCommandLineArgs().SkipWhile(word => word != "bench").Skip(1);
            using var bench = Process.Start(new ProcessStartInfo(program, passed))!;
            await bench.WaitForExitAsync(cancellationToken);
            return bench.ExitCode;
        }));
        return command;
    }
}
