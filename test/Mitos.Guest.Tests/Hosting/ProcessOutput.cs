using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests.Hosting;

/// <summary>All that a process wrote, and how it ended. Checks that no byte is missing or twice.</summary>
internal sealed record ProcessOutput(byte[] Stdout, byte[] Stderr, ProcessExit Exit)
{
    public string Out => Encoding.UTF8.GetString(Stdout);

    public string Err => Encoding.UTF8.GetString(Stderr);

    public string StdoutHash => Convert.ToHexStringLower(SHA256.HashData(Stdout));

    public static async Task<ProcessOutput> ReadAsync(AgentProcess process, CancellationToken cancellationToken, ulong stdoutFrom = 0)
    {
        var (stdout, stderr) = (new MemoryStream(), new MemoryStream());
        await foreach (var next in process.ReadAsync(cancellationToken))
        {
            if (next.Exit is { } exit)
                return new(stdout.ToArray(), stderr.ToArray(), exit);
            var target = next.Stream == OutputStream.Stdout ? stdout : stderr;
            Assert.Equal(next.Stream == OutputStream.Stdout ? stdoutFrom + (ulong)target.Length : (ulong)target.Length, next.Offset);
            target.Write(next.Bytes.Span);
        }
        throw new InvalidOperationException("the output ended without the process's end");
    }

    /// <summary>Runs a shell command as root.</summary>
    public static Task<ProcessOutput> RunAsync(AgentClient agent, string command, CancellationToken cancellationToken) =>
        RunAsync(agent, Shell(command), cancellationToken);

    public static async Task<ProcessOutput> RunAsync(AgentClient agent, ProcessSpec spec, CancellationToken cancellationToken)
    {
        await using var process = await agent.StartAsync(spec, cancellationToken);
        return await ReadAsync(process, cancellationToken);
    }

    public static ProcessSpec Shell(string command) => new() { Argv = ["sh", "-c", command], User = "root", Directory = "/" };
}
