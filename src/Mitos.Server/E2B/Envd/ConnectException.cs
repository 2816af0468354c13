using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd;

/// <summary>An error of the Connect protocol (https://connectrpc.com/docs/protocol): a code in snake case, and words.</summary>
internal sealed class ConnectException(string code, string message) : Exception(message)
{
    private const int NotADirectory = 20; // ENOTDIR

    public string Code { get; } = code;

    /// <summary>The HTTP status of a unary answer.</summary>
    public int Status => Code switch
    {
        "invalid_argument" or "failed_precondition" or "out_of_range" => 400,
        "unauthenticated" => 401,
        "permission_denied" => 403,
        "not_found" => 404,
        "already_exists" or "aborted" => 409,
        "resource_exhausted" => 429,
        "canceled" => 499,
        "unimplemented" => 501,
        "unavailable" => 503,
        "deadline_exceeded" => 504,
        _ => 500,
    };

    public static ConnectException Invalid(string message) => new("invalid_argument", message);

    public static ConnectException Of(Exception e) => e switch
    {
        ConnectException known => known,
        AgentException { Code: AgentErrorCode.NotFound } agent when agent.Message.StartsWith("There is no user", StringComparison.Ordinal) => new("unauthenticated", $"invalid username: {UserIn(agent.Message)}"),
        AgentException { Errno: NotADirectory } agent => Invalid(agent.Message),
        AgentException agent => new(CodeOf(agent.Code), agent.Message),
        SandboxException refusal => new(refusal.Code == ErrorCode.NotFound ? "not_found" : "unavailable", refusal.Message),
        System.Text.Json.JsonException json => Invalid(json.Message),
        OperationCanceledException => new("canceled", "the request was given up"),
        _ => new("internal", $"{e.GetType().Name}: {e.Message}"),
    };

    private static string CodeOf(AgentErrorCode code) => code switch
    {
        AgentErrorCode.InvalidArgument => "invalid_argument",
        AgentErrorCode.NotFound => "not_found",
        AgentErrorCode.AlreadyExists => "already_exists",
        AgentErrorCode.PermissionDenied => "permission_denied",
        AgentErrorCode.FailedPrecondition => "failed_precondition",
        AgentErrorCode.Exhausted => "resource_exhausted",
        AgentErrorCode.Unsupported => "unimplemented",
        _ => "unavailable",
    };

    private static string UserIn(string message) => message.Split('\'') is [_, var user, ..] ? $"'{user}'" : "";
}
