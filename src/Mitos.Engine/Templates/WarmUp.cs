using Mitos.Engine.Agent;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Templates;

/// <summary>
/// Runs the programs that sandboxes use first. What they read stays in the guest's page cache, which is in the generation, so
/// that no fork reads it from disk into memory of its own.
/// </summary>
internal static class WarmUp
{
    private static readonly string[] Commands =
    [
        "true; ls / >/dev/null; cat /etc/os-release >/dev/null; id >/dev/null; env >/dev/null; head -c1 /dev/zero | od >/dev/null; sleep 0",
        "python3 -c 'import json,sqlite3,ast,re,os,sys,subprocess,hashlib,random,collections,itertools,socket,threading,urllib.request'",
        "node -e 'require(\"fs\"); require(\"http\"); require(\"child_process\")'",
        "git --version >/dev/null; curl --version >/dev/null; sudo -n true; ps aux >/dev/null; ip addr >/dev/null; tar --version >/dev/null",
    ];

    /// <param name="agent">Of the machine.</param>
    /// <param name="more">Shell commands, run as root, besides what every template runs.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async Task RunAsync(AgentClient agent, IReadOnlyList<string> more, CancellationToken cancellationToken)
    {
        for (var round = 0; round < 2; round++)
        {
            foreach (var command in Commands.Concat(more))
                await RunAsync(agent, new ProcessSpec { Argv = ["/bin/bash", "-lc", command], Timeout = TimeSpan.FromMinutes(5) }, cancellationToken);
        }
        await RunAsync(agent, new ProcessSpec { Argv = ["/bin/bash", "-c", "exit 0"], Terminal = new TerminalSize(24, 80) }, cancellationToken);
        await using var content = new MemoryStream(new byte[1000]);
        await agent.Files.WriteAsync("/tmp/warm", content, 0, "user", cancellationToken);
        await agent.Files.ReadAsync("/tmp/warm", Stream.Null, "user", cancellationToken);
        await agent.Files.RemoveAsync("/tmp/warm", false, "user", cancellationToken);
        await agent.Files.ListAsync("/", 1, "user", cancellationToken);
        await agent.GetMetricsAsync(cancellationToken);
        // Twice: once to bring the code in, once to see that nothing of the first is missing.
        for (var i = 0; i < 2; i++)
            await agent.HandshakeAsync(Machines.MachineAgent.Identity("template", null, "", 0, "", new Dictionary<string, string>()), cancellationToken);
        foreach (var process in (await agent.ListProcessesAsync(cancellationToken)).Where(process => process.Exit is not null))
            await agent.ForgetAsync(process.Key, cancellationToken);
    }

    private static async Task RunAsync(AgentClient agent, ProcessSpec spec, CancellationToken cancellationToken)
    {
        await using var process = await agent.StartAsync(spec, cancellationToken);
        var said = new MemoryStream();
        await foreach (var next in process.ReadAsync(cancellationToken))
            said.Write(next.Bytes.Span);
        var exit = await process.Exit;
        if (exit.Code != 0)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"In the new template '{spec.Argv[^1]}' ended with {exit.Code}: {System.Text.Encoding.UTF8.GetString(said.ToArray()).Trim()}", "Run the build again; `mitos doctor` checks this host.");
    }
}
