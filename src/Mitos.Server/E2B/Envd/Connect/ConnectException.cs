using System.Text.Json;
using System.Text.RegularExpressions;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Protocol.Messages;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>An error of the Connect protocol (https://connectrpc.com/docs/protocol): a code in snake case, and words.</summary>
internal sealed partial class ConnectException(string code, string message) : Exception(message)
{
    private const int Unreadable = 5, NotADirectory = 20, IsADirectory = 21; // EIO, ENOTDIR, EISDIR

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

    /// <summary>The client's own limit is reached.</summary>
    public static ConnectException Over() => new("deadline_exceeded", "the operation timed out");

    public static ConnectException Of(Exception e) => e switch
    {
        ConnectException known => known,
        AgentException { Code: AgentErrorCode.UnknownUser } agent => new("unauthenticated", $"invalid username: {UserIn(agent.Message)}"),
        AgentException { Errno: NotADirectory or IsADirectory } agent => Invalid(agent.Message),
        AgentException { Errno: Unreadable } agent => new("internal", agent.Message),
        AgentException agent => new(CodeOf(agent.Code), agent.Message),
        TooManyCallsException many => new("resource_exhausted", many.Message),
        SandboxException refusal => new(refusal.Code == ErrorCode.NotFound ? "not_found" : "unavailable", refusal.Message),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } bad => new("resource_exhausted", bad.Message),
        IOException or InvalidDataException => Invalid($"the request's body cannot be read: {e.Message}"),
        OperationCanceledException => new("canceled", "the request was given up"),
        _ => new("internal", $"{e.GetType().Name}: {e.Message}"),
    };

    /// <summary>Answers a call that is no stream. JSON, whatever the messages are.</summary>
    public async Task WriteAsync(HttpResponse response, int? status = null)
    {
        Refusal.Note(response.HttpContext, Code);
        response.StatusCode = status ?? Status;
        response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(response.BodyWriter);
        Write(writer);
    }

    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("code", Code);
        writer.WriteString("message", Message);
        writer.WriteEndObject();
    }

    private static string CodeOf(AgentErrorCode code) => code switch
    {
        AgentErrorCode.InvalidArgument => "invalid_argument",
        AgentErrorCode.NotFound => "not_found",
        AgentErrorCode.AlreadyExists => "already_exists",
        AgentErrorCode.PermissionDenied => "permission_denied",
        AgentErrorCode.FailedPrecondition => "failed_precondition",
        AgentErrorCode.Exhausted => "resource_exhausted",
        AgentErrorCode.Unsupported => "unimplemented",
        AgentErrorCode.Internal => "internal",
        _ => "unavailable",
    };

    private static string UserIn(string message) => AfterUser().Match(message).Value;

    [GeneratedRegex("(?<=no user )'.*'(?= in the guest)", RegexOptions.Singleline)]
    private static partial Regex AfterUser();
}
