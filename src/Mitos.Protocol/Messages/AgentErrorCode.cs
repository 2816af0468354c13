namespace Mitos.Protocol.Messages;

/// <summary>Classes of refusals of the agent.</summary>
public enum AgentErrorCode : byte
{
    InvalidArgument = 1,
    NotFound = 2,
    FailedPrecondition = 3,
    PermissionDenied = 4,
    AlreadyExists = 5,
    Exhausted = 6,
    Internal = 7,
    Unsupported = 8,
    UnknownUser = 9,
}
