using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>The agent refused a request, or it cannot be reached.</summary>
public sealed class AgentException(AgentErrorCode code, string message, int errno = 0, Exception? inner = null) : Exception(message, inner)
{
    public AgentErrorCode Code { get; } = code;

    /// <summary>Error number of the guest's kernel; 0 when there is none.</summary>
    public int Errno { get; } = errno;

    internal static AgentException Gone(string subject, Exception? inner = null) =>
        new(AgentErrorCode.Internal, $"The agent of {subject} cannot be reached any more{(inner is null ? "" : $": {inner.Message}")}.", 0, inner);
}
