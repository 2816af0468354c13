using System.CommandLine;
using Mitos.Cli.Terminal;

namespace Mitos.Cli.Commands;

/// <summary>completion: scripts that let a shell ask this program, see <see cref="Completion"/>.</summary>
internal static class CompletionCommand
{
    // The program is called as it was typed, so that ./mitos completes in a checkout; -o default: file names where there is nothing else.
    private const string Bash = """
        _mitos() {
          local IFS=$'\n'
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _mitos mitos
        """;

    private const string Zsh = """
        _mitos() {
          local -a found
          found=("${(@f)$("${words[1]}" "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
          [[ -n ${found[1]} ]] && compadd -a found || _files
        }
        compdef _mitos mitos
        """;

    private const string Fish = """
        complete -c mitos -a '(set -l line (commandline -cp); (commandline -po)[1] "[suggest:"(string length -- $line)"]" $line 2>/dev/null)'
        """;

    public static Command Make()
    {
        var shell = new Argument<string>("SHELL") { Description = "Which shell" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        return new Command("completion", "Print a completion script\n  source <(mitos completion bash)") { shell }.RunsAlone((result, json, _) =>
        {
            var name = result.GetRequiredValue(shell);
            var script = name switch { "bash" => Bash, "zsh" => Zsh, _ => Fish };
            if (json)
                Output.Json(new CompletionBody(name, script), CliJson.Default.CompletionBody);
            else
                Output.Line(script);
            return Task.FromResult(ExitCode.Ok);
        });
    }
}
