using System.CommandLine;
using Mitos.Cli.Demo;
using Mitos.Cli.Terminal;

namespace Mitos.Cli.Commands;

/// <summary>All commands, in the order in which a newcomer needs them.</summary>
internal static class Root
{
    public static RootCommand Make()
    {
        var root = new RootCommand("""
            Mitos: computers for AI agents that can be forked while they run.

              mitos demo                     see it
              mitos up                       start the daemon
              mitos create --name dev        a sandbox
              mitos exec dev -- uname -a     a command in it
              mitos fork dev --count 8       eight copies of it, running
              mitos tree                     who was forked from whom
            """);
        root.Options.Add(CommandRunner.JsonOption);
        root.Directives.Clear();
        Command[] commands =
        [
            DemoCommand.Make(), .. DaemonCommands.All(), .. SandboxCommands.All(), ExecCommand.Make(), CopyCommand.Make(), ForkCommand.Make(), TreeCommand.Make(),
            .. PauseCommands.All(), SnapshotCommands.Make(), LogsCommand.Make(), TopCommand.Make(), RemoveCommand.Make(), TemplateCommands.Make(), KeyCommands.Make(), EnvCommand.Make(), DoctorCommand.Make(), VmmCommands.Make(), BenchCommand.Make(), CompletionCommand.Make(),
        ];
        foreach (var command in commands)
            root.Subcommands.Add(command);
        Usage.Extend(root);
        return root;
    }
}
