using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Protocol.Messages;

namespace Mitos.Server.Api;

/// <summary>The one place where a failure becomes a status and a body.</summary>
internal static class Errors
{
    public static (int Status, ErrorBody Body) Describe(Exception e) => e switch
    {
        SandboxException refusal => (Status(refusal.Code), new ErrorBody(Wire(refusal.Code), refusal.Message, refusal.Remedy)),
        AgentException agent => Describe(agent),
        BadHttpRequestException { InnerException: JsonException json } => (400, new ErrorBody(ErrorCodes.InvalidArgument, $"The body is not the JSON that is expected here: {json.Message}", "See /openapi/v1.json.")),
        BadHttpRequestException bad => (bad.StatusCode, new ErrorBody(bad.StatusCode == 413 ? ErrorCodes.Exhausted : ErrorCodes.InvalidArgument, bad.Message, "See /openapi/v1.json.")),
        JsonException json => (400, new ErrorBody(ErrorCodes.InvalidArgument, $"The body is not the JSON that is expected here: {json.Message}", "See /openapi/v1.json.")),
        OperationCanceledException => (499, new ErrorBody(ErrorCodes.Unavailable, "The request was given up.", "")),
        _ => (500, new ErrorBody(ErrorCodes.Internal, $"A defect of mitosd: {e.GetType().Name}: {e.Message}", "The daemon's log has more; please report it.")),
    };

    public static Task WriteAsync(HttpContext context, int status, ErrorBody body)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(body, ContractsJson.Default.ErrorBody);
    }

    private static (int, ErrorBody) Describe(AgentException e)
    {
        var code = e.Code switch
        {
            AgentErrorCode.InvalidArgument => ErrorCode.InvalidArgument,
            AgentErrorCode.NotFound => ErrorCode.NotFound,
            AgentErrorCode.FailedPrecondition or AgentErrorCode.PermissionDenied => ErrorCode.FailedPrecondition,
            AgentErrorCode.AlreadyExists => ErrorCode.Conflict,
            AgentErrorCode.Exhausted => ErrorCode.Exhausted,
            AgentErrorCode.Unsupported => ErrorCode.Unsupported,
            _ => ErrorCode.Unavailable,
        };
        var remedy = e.Code switch
        {
            AgentErrorCode.PermissionDenied => "Use a user who may, for example root.",
            AgentErrorCode.Exhausted => "Free space in the sandbox.",
            _ => "",
        };
        return (Status(code), new ErrorBody(Wire(code), e.Message, remedy));
    }

    private static int Status(ErrorCode code) => code switch
    {
        ErrorCode.InvalidArgument => 400,
        ErrorCode.NotFound => 404,
        ErrorCode.Conflict => 409,
        ErrorCode.FailedPrecondition => 412,
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
        ErrorCode.Exhausted => ErrorCodes.Exhausted,
        ErrorCode.DeadlineExceeded => ErrorCodes.DeadlineExceeded,
        ErrorCode.Unavailable => ErrorCodes.Unavailable,
        ErrorCode.Unsupported => ErrorCodes.Unsupported,
        _ => ErrorCodes.Internal,
    };
}
