using System.CommandLine;
using System.CommandLine.Invocation;
using Mitos.Cli.Commands;

var root = new RootCommand("Mitos: computers for AI agents that can be forked while they run.\n\n  mitos demo                     see it\n  mitos up                       start the daemon\n  mitos create --name dev        a sandbox\n  mitos exec dev -- uname -a     a command in it\n  mitos fork dev --count 8       eight copies of it, running, in milliseconds");
root.Options.Add(CommandRunner.JsonOption);
foreach (var command in DaemonCommands.All().Concat(SandboxCommands.All()))
    root.Subcommands.Add(command);
root.Subcommands.Add(Mitos.Cli.Demo.DemoCommand.Make());
root.Subcommands.Add(ExecCommand.Make());
root.Subcommands.Add(CopyCommand.Make());
root.Subcommands.Add(BenchCommand.Make());
root.Subcommands.Add(TopCommand.Make());
root.Subcommands.Add(TemplateCommands.Make());
root.Subcommands.Add(CompletionCommand.Make());
// @FILE is an ordinary word here: commands in sandboxes have such arguments
var parsed = root.Parse(args is ["help", .. var rest] ? [.. rest, "--help"] : args, new ParserConfiguration { ResponseFileTokenReplacer = null });
return parsed.Action is ParseErrorAction ? CommandRunner.Misuse(parsed) : await parsed.InvokeAsync();
