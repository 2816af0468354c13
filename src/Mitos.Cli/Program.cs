using System.CommandLine;
using Mitos.Cli;
using Mitos.Cli.Commands;
using Mitos.Cli.Terminal;

var root = Root.Make();
if (Completion.TryAnswer(root, args))
    return ExitCode.Ok;
var parsed = root.Parse(args switch { [] => ["--help"], ["help", .. var rest] => [.. rest, "--help"], _ => args },
    new ParserConfiguration { ResponseFileTokenReplacer = null }); // @FILE is an ordinary word: commands in sandboxes have such
if (parsed.Action is System.CommandLine.Invocation.ParseErrorAction || Usage.IsHelpOfNothing(parsed))
    return Usage.Refuse(parsed);
// Signals are each command's own business: see Interruption.
return await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
