using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>The agent refused a request, or it cannot be reached.</summary>
public sealed class AgentException(AgentErrorCode code, string message, int errno = 0, Exception? inner = null) : Exception(message, inner)
{
    public AgentErrorCode Code { get; } = code;

    /// <summary>Error number of the guest's kernel; 0 when there is none.</summary>
    public int Errno { get; } = errno;

    /// <summary>The next step; null: what <see cref="Code"/> suggests.</summary>
    public string? Remedy { get; private init; }

    /// <summary>The machine was ended, or has ended, while it was in use: whether it did what was asked is not known.</summary>
    public bool IsMachineEnded { get; private init; }

    /// <summary>Somebody ended the machine while it was in use.</summary>
    /// <param name="subject">For example <c>sandbox 'iabc'</c>.</param>
    /// <param name="how">For example <c>was paused</c>.</param>
    /// <param name="remedy">The next step; null: to see why.</param>
    internal static AgentException Ended(string subject, string how, string? remedy = null) =>
        new(AgentErrorCode.Internal, $"{char.ToUpperInvariant(subject[0])}{subject[1..]} {how}.") { Remedy = remedy, IsMachineEnded = true };

    internal static AgentException Gone(string subject, Exception? inner = null) =>
        new(AgentErrorCode.Internal, $"The agent of {subject} cannot be reached any more{(inner is null ? "" : $": {inner.Message}")}.", 0, inner);
}
