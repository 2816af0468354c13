using System.CommandLine;

namespace Mitos.Cli.Commands;

/// <summary>completion: scripts that let a shell ask this program (System.CommandLine's [suggest] directive).</summary>
internal static class CompletionCommand
{
    public static Command Make()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script\n  source <(mitos completion bash)") { shell };
        command.SetAction(result => Console.Out.WriteLine(result.GetRequiredValue(shell) switch
        {
            "bash" => "_mitos() { local IFS=$'\\n'; COMPREPLY=($(compgen -W \"$(\"$1\" \"[suggest:${COMP_POINT}]\" \"${COMP_LINE}\" 2>/dev/null)\" -- \"${COMP_WORDS[COMP_CWORD]}\")); }\ncomplete -o default -F _mitos mitos",
            "zsh" => "_mitos() { local -a found; found=(\"${(@f)$(mitos \"[suggest:${#BUFFER}]\" \"$BUFFER\" 2>/dev/null)}\"); compadd -a found; }\ncompdef _mitos mitos",
            _ => "complete -c mitos -f -a '(mitos \"[suggest:\"(string length (commandline -cp))\"]\" (commandline -cp) 2>/dev/null)'",
        }));
        return command;
    }
}
