namespace Mitos.Contracts;

/// <summary>The values of <see cref="ErrorBody.Code"/>.</summary>
public static class ErrorCodes
{
    public const string InvalidArgument = "invalid_argument";
    public const string Unauthenticated = "unauthenticated";
    public const string NotFound = "not_found";
    public const string Conflict = "conflict";
    public const string FailedPrecondition = "failed_precondition";
    public const string Exhausted = "exhausted";
    public const string DeadlineExceeded = "deadline_exceeded";
    public const string Unavailable = "unavailable";
    public const string Unsupported = "unsupported";
    public const string Internal = "internal";
}
