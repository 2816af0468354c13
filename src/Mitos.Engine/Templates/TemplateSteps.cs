using System.Text;
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
            await using var process = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/bash", "-lc", start] }, cancellationToken);
        }
        if (spec.ReadyCommand is { } ready)
        {
            Report("ready", ready);
            await AwaitReadyAsync(ready, cancellationToken);
        }
    }

    private void Report(string step, string message) => progress.Report(new BuildProgress(step, ++_index, _count, message, false));

    private async Task AwaitReadyAsync(string command, CancellationToken cancellationToken)
    {
        var until = DateTime.UtcNow + ReadyLimit;
        while (true)
        {
            var (code, tail) = await TryShellAsync(command, "", report: false, cancellationToken);
            if (code == 0)
                return;
            if (DateTime.UtcNow > until)
                throw new SandboxException(ErrorCode.FailedPrecondition, $"The template '{spec.Name}' was not ready within {ReadyLimit.TotalSeconds:F0} s: `{command}` ended with {code}: {tail}", "Check the start command and the ready command.");
            await Task.Delay(250, cancellationToken);
        }
    }

    private async Task ShellAsync(string command, string user, bool report, CancellationToken cancellationToken)
    {
        var (code, tail) = await TryShellAsync(command, user, report, cancellationToken);
        if (code != 0)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Step {_index} of the template '{spec.Name}', `{command}`, ended with {code}: {tail}", "Mend the step and build again; nothing was kept.");
    }

    private async Task<(int Code, string Tail)> TryShellAsync(string command, string user, bool report, CancellationToken cancellationToken)
    {
        await using var process = await agent.StartAsync(new ProcessSpec
        {
            Argv = ["/bin/bash", "-lc", command],
            User = user,
            Environment = new Dictionary<string, string> { ["DEBIAN_FRONTEND"] = "noninteractive" },
        }, cancellationToken);
        var tail = "";
        await foreach (var next in process.ReadAsync(cancellationToken))
        {
            var text = Encoding.UTF8.GetString(next.Bytes.Span);
            tail = (tail + text)[Math.Max(0, tail.Length + text.Length - 1000)..];
            foreach (var line in report ? text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [])
                progress.Report(new BuildProgress("run", _index, _count, line, true));
        }
        var exit = await process.Exit;
        await agent.ForgetAsync(process.Key, cancellationToken);
        return (exit.Code, tail.Trim());
    }
}
