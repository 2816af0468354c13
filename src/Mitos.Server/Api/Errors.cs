using System.Text.RegularExpressions;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Protocol.Messages;
using Mitos.Server.Accounts;
using Mitos.Server.E2B;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>The one place where a failure becomes a status and a body.</summary>
internal static partial class Errors
{
    public const string SeeDescription = "GET /openapi/v1.json says what this address takes.";

    public static readonly ErrorBody TooLarge = new(ErrorCodes.Exhausted, "The body is too large.",
        "Send less: 32 MiB, or 1 GiB to build a template. A file may have any size: PUT /v1/sandboxes/{id}/files.");

    // Error numbers of Linux.
    private const int NotADirectory = 20, IsADirectory = 21, NoSpace = 28, NotEmpty = 39;

    public static (int Status, ErrorBody Body) Describe(Exception e) => e switch
    {
        E2BException e2b => (e2b.Status, new ErrorBody(ErrorCodes.InvalidArgument, e2b.Message, "")),
        TeamLimitException limit => (429, new ErrorBody(ErrorCodes.Exhausted, limit.Message, limit.Remedy)),
        TooManyCallsException many => (429, new ErrorBody(ErrorCodes.Exhausted, many.Message, "End some of them, and send it again.")),
        NotOwnerException other => (403, new ErrorBody(ErrorCodes.PermissionDenied, other.Message, other.Remedy)),
        SandboxException refusal => (Status(refusal.Code), new ErrorBody(Wire(refusal.Code), refusal.Message, refusal.Remedy)),
        AgentException agent => Describe(agent),
        WrongJsonException wrong => (400, new ErrorBody(ErrorCodes.InvalidArgument, $"The body is not the JSON that is expected here: {wrong.Message}.", SeeDescription)),
        BadHttpRequestException { StatusCode: 413 } => (413, TooLarge),
        BadHttpRequestException bad => (bad.StatusCode, new ErrorBody(ErrorCodes.InvalidArgument, ParameterType().Replace(bad.Message, "$1"), SeeDescription)),
        OperationCanceledException => (499, new ErrorBody(ErrorCodes.Unavailable, "The request was given up by its client.", "Send it again.")),
        _ => (500, new ErrorBody(ErrorCodes.Internal, $"A defect of mitosd: {e.GetType().Name}: {e.Message}", "The daemon's log has more; please report it.")),
    };

    public static Task WriteAsync(HttpContext context, int status, ErrorBody body)
    {
        Refusal.Note(context, body.Code);
        if (E2BErrors.Covers(context.Request.Path))
            return E2BErrors.WriteAsync(context, status, body);
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(body, ApiJson.Context.ErrorBody);
    }

    private static (int, ErrorBody) Describe(AgentException e)
    {
        var code = e.Code switch
        {
            AgentErrorCode.InvalidArgument => ErrorCode.InvalidArgument,
            AgentErrorCode.NotFound or AgentErrorCode.UnknownUser => ErrorCode.NotFound,
            AgentErrorCode.FailedPrecondition or AgentErrorCode.PermissionDenied => ErrorCode.FailedPrecondition,
            AgentErrorCode.AlreadyExists => ErrorCode.Conflict,
            AgentErrorCode.Exhausted => ErrorCode.Exhausted,
            AgentErrorCode.Unsupported => ErrorCode.Unsupported,
            _ => ErrorCode.Unavailable,
        };
        return (Status(code), new ErrorBody(Wire(code), e.Message, e.Remedy ?? Remedy(e)));
    }

    // What the guest's kernel said is more exact than the class that it belongs to.
    private static string Remedy(AgentException e) => (e.Errno, e.Code) switch
    {
        (NotADirectory, _) => "A part of the path is a file: use another path.",
        (IsADirectory, _) => "Name a file in it; GET …/files/list lists it.",
        (NotEmpty, _) => "Remove it with recursive=true.",
        (NoSpace, _) => "Free space in the sandbox.",
        (_, AgentErrorCode.InvalidArgument) => SeeDescription,
        (_, AgentErrorCode.UnknownUser) => "Use a user of the guest, or leave the user out.",
        (_, AgentErrorCode.NotFound) => "GET …/files/list lists files, GET …/processes lists processes.",
        (_, AgentErrorCode.PermissionDenied) => "Use a user who may, for example root.",
        (_, AgentErrorCode.AlreadyExists) => "Remove what is there, or use another path.",
        (_, AgentErrorCode.Exhausted) => "Ask for less at a time, or free some of what is in use.",
        (_, AgentErrorCode.Unsupported) => "Make a sandbox of a template that was built with this version.",
        (_, AgentErrorCode.FailedPrecondition) => "Change what the message names; GET …/processes shows what runs.",
        _ => "GET the sandbox for its state, and its …/console for its last words.",
    };

    // The framework says `parameter "int? depth"`: the type is of C#.
    [GeneratedRegex("(?<=^(?:Failed to bind|Failed to read|Required) parameter \")[^\"]* (\\w+)(?=\")")]
    private static partial Regex ParameterType();

    private static int Status(ErrorCode code) => code switch
    {
        ErrorCode.InvalidArgument => 400,
        ErrorCode.NotFound => 404,
        ErrorCode.Conflict => 409,
        ErrorCode.FailedPrecondition => 412,
        ErrorCode.CommandFailed => 422,
        ErrorCode.Exhausted => 507,
        ErrorCode.DeadlineExceeded => 504,
        ErrorCode.Unavailable => 503,
        ErrorCode.Unsupported => 501,
        _ => 500,
    };

    private static string Wire(ErrorCode code) => code switch
    {
        ErrorCode.InvalidArgument => ErrorCodes.InvalidArgument,
        ErrorCode.NotFound => ErrorCodes.NotFound,
        ErrorCode.Conflict => ErrorCodes.Conflict,
        ErrorCode.FailedPrecondition => ErrorCodes.FailedPrecondition,
        ErrorCode.CommandFailed => ErrorCodes.CommandFailed,
        ErrorCode.Exhausted => ErrorCodes.Exhausted,
        ErrorCode.DeadlineExceeded => ErrorCodes.DeadlineExceeded,
        ErrorCode.Unavailable => ErrorCodes.Unavailable,
        ErrorCode.Unsupported => ErrorCodes.Unsupported,
        _ => ErrorCodes.Internal,
    };
}
