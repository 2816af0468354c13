using Mitos.Engine.Agent;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Templates;

/// <summary>Starts what is left running in a template, and waits until it is ready.</summary>
internal static class Startup
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Starts a command and lets it run.</summary>
    public static async Task StartAsync(AgentClient agent, string command, string user, CancellationToken cancellationToken)
    {
        await using var process = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/bash", "-lc", command], User = user }, cancellationToken);
    }

    /// <summary>Repeats a command until it succeeds.</summary>
    /// <exception cref="SandboxException">CommandFailed: not within the limit.</exception>
    public static async Task AwaitReadyAsync(AgentClient agent, string template, string command, TimeSpan limit, CancellationToken cancellationToken)
    {
        var until = DateTime.UtcNow + limit;
        while (true)
        {
            var (code, tail) = await GuestShell.RunAsync(agent, command, "", null, cancellationToken);
            if (code == 0)
                return;
            if (DateTime.UtcNow > until)
                throw new SandboxException(ErrorCode.CommandFailed, $"The template '{template}' was not ready within {limit.TotalSeconds:F0} s: `{command}` ended with {code}, {GuestShell.LastWords(tail)}", "Check the start command and the ready command.");
            await Task.Delay(Pause, cancellationToken);
        }
    }
}
