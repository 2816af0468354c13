using Mitos.Engine.Agent;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Templates;

/// <summary>Runs the steps of a build in its machine.</summary>
internal sealed class TemplateSteps(AgentClient agent, BuildTemplateSpec spec, IProgress<BuildProgress> progress)
{
    private const string Archive = "/var/tmp/mitos-copy.tar";
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(60);
    private readonly int _count = spec.Steps.Count + (spec.StartCommand is null ? 0 : 1) + (spec.ReadyCommand is null ? 0 : 1);
    private int _index;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await agent.ConfigureNetworkAsync("slirp", cancellationToken);
        foreach (var step in spec.Steps)
        {
            if (step.Run is { } command)
            {
                Report("run", command);
                await ShellAsync(command, "root", report: true, cancellationToken);
            }
            else
            {
                Report("copy", step.CopyTarget!);
                await using var content = new MemoryStream(step.CopyContent!);
                await agent.Files.WriteAsync(Archive, content, 0, "root", cancellationToken);
                await ShellAsync($"mkdir -p '{step.CopyTarget!.Replace("'", "'\\''", StringComparison.Ordinal)}' && tar -xf {Archive} -C '{step.CopyTarget.Replace("'", "'\\''", StringComparison.Ordinal)}' && rm {Archive}", "root", report: false, cancellationToken);
            }
        }
        if (spec.StartCommand is { } start)
        {
            Report("start", start);
            await Startup.StartAsync(agent, start, "", cancellationToken);
        }
        if (spec.ReadyCommand is { } ready)
        {
            Report("ready", ready);
            await Startup.AwaitReadyAsync(agent, spec.Name, ready, ReadyLimit, cancellationToken);
        }
    }

    private void Report(string step, string message) => progress.Report(new BuildProgress(step, ++_index, _count, message, false));

    private async Task ShellAsync(string command, string user, bool report, CancellationToken cancellationToken)
    {
        var (code, tail) = await GuestShell.RunAsync(agent, command, user, report ? line => progress.Report(new BuildProgress("run", _index, _count, line, true)) : null, cancellationToken);
        if (code != 0)
            throw new SandboxException(ErrorCode.CommandFailed, $"Step {_index} of the template '{spec.Name}', `{command}`, ended with {code}, {GuestShell.LastWords(tail)}", "Mend the step and build again; nothing was kept.");
    }
}
