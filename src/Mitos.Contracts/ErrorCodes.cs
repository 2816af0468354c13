namespace Mitos.Contracts;

/// <summary>The values of <see cref="ErrorBody.Code"/>.</summary>
public static class ErrorCodes
{
    /// <summary>400, 415: the request is wrong, whatever the state.</summary>
    public const string InvalidArgument = "invalid_argument";

    /// <summary>401: an API key is missing, not valid, or has expired.</summary>
    public const string Unauthenticated = "unauthenticated";

    /// <summary>403: the key is valid, and this is not for it.</summary>
    public const string PermissionDenied = "permission_denied";

    /// <summary>404: no such sandbox, template, process, file, key or address.</summary>
    public const string NotFound = "not_found";

    /// <summary>409: the name is taken, or the beginning of an id fits several.</summary>
    public const string Conflict = "conflict";

    /// <summary>412: the subject is in a state that does not allow this.</summary>
    public const string FailedPrecondition = "failed_precondition";

    /// <summary>422: a command that the caller gave has failed, such as a step of a build.</summary>
    public const string CommandFailed = "command_failed";

    /// <summary>413, 429, 507: the body is too large, the team has or makes as many sandboxes as it may, or memory or disk do not suffice.</summary>
    public const string Exhausted = "exhausted";

    /// <summary>504: it took longer than it may.</summary>
    public const string DeadlineExceeded = "deadline_exceeded";

    /// <summary>503: not now; the same call may work later.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>405, 501: this host, template or address cannot do this.</summary>
    public const string Unsupported = "unsupported";

    /// <summary>500: a defect of Mitos.</summary>
    public const string Internal = "internal";
}
