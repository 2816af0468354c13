using System.Diagnostics;
using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Machines;

/// <summary>Reaches the agent of a machine, and gives the machine its identity.</summary>
internal static class MachineAgent
{
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(60);

    /// <summary>A client that fails for good when the machine's process ends.</summary>
    public static AgentClient Open(Machine machine, string subject)
    {
        var client = new AgentClient(cancellationToken => ConnectAsync(machine, subject, cancellationToken), subject);
        _ = machine.Vmm.Process.Exited.ContinueWith(_ => client.Fail(Ended(subject)),
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return client;
    }

    /// <summary>Fail-closed: a machine that does not acknowledge in time is not handed out.</summary>
    /// <returns>How long it took until the agent answered, and after that.</returns>
    /// <exception cref="SandboxException">Unavailable or DeadlineExceeded.</exception>
    public static async Task<(TimeSpan Greeting, TimeSpan Handshake)> HandshakeAsync(AgentClient client, ForkIdentity identity)
    {
        var started = Stopwatch.GetTimestamp();
        using var limit = new CancellationTokenSource(HandshakeLimit);
        try
        {
            await client.ConnectAsync(limit.Token);
            var greeted = Stopwatch.GetTimestamp();
            await client.HandshakeAsync(identity, limit.Token);
            return (Stopwatch.GetElapsedTime(started, greeted), Stopwatch.GetElapsedTime(greeted));
        }
        catch (OperationCanceledException e)
        {
            throw new SandboxException(ErrorCode.DeadlineExceeded, $"The agent of sandbox {identity.SandboxId} did not acknowledge its handshake within {HandshakeLimit.TotalSeconds:F0} s.",
                "The host may be overloaded (`mitos top`); try again with fewer children at once.", e);
        }
        catch (AgentException e)
        {
            throw new SandboxException(ErrorCode.Unavailable, $"The handshake of sandbox {identity.SandboxId} failed: {e.Message}", "Try again; `mitos doctor` checks this host.", e);
        }
    }

    public static ForkIdentity Identity(string sandboxId, string? name, string forkId, int index, string token, IReadOnlyDictionary<string, string> environment) => new()
    {
        SandboxId = sandboxId,
        ForkId = forkId,
        Index = index,
        Token = token,
        Environment = environment,
        Hostname = name is not null && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') ? name : sandboxId,
        Entropy = RandomNumberGenerator.GetBytes(32),
        MachineId = RandomNumberGenerator.GetHexString(32, lowercase: true),
    };

    private static async ValueTask<Stream> ConnectAsync(Machine machine, string subject, CancellationToken cancellationToken)
    {
        if (machine.Vmm.Process.HasExited)
            throw Ended(subject);
        return await machine.Vmm.ConnectAgentAsync(cancellationToken);
    }

    private static AgentException Ended(string subject) => AgentException.Ended(subject, "has ended: its machine's process is gone");
}
