using Mitos.Protocol.Messages;

namespace Mitos.Probe;

/// <summary>The probe refused a request, or what it answered makes no sense.</summary>
public sealed class ProbeException(AgentErrorCode code, string message) : Exception(message)
{
    public AgentErrorCode Code { get; } = code;
}
