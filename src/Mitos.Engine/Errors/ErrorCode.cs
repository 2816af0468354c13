namespace Mitos.Engine.Errors;

/// <summary>The classes of expected refusals. Each maps to one HTTP status, one wire code and one exit status.</summary>
public enum ErrorCode
{
    /// <summary>The request is wrong whatever the state: a count of 0, a path with NUL.</summary>
    InvalidArgument,
    /// <summary>No such sandbox, template, process or file.</summary>
    NotFound,
    /// <summary>The name is taken, or another operation holds the subject.</summary>
    Conflict,
    /// <summary>The subject is in a state that does not allow this.</summary>
    FailedPrecondition,
    /// <summary>A command that the caller gave has failed, such as a step of a build.</summary>
    CommandFailed,
    /// <summary>Not enough memory, disk or slots.</summary>
    Exhausted,
    /// <summary>It took longer than it may.</summary>
    DeadlineExceeded,
    /// <summary>Not now; the same call may work later.</summary>
    Unavailable,
    /// <summary>This host, VMM or version cannot do this.</summary>
    Unsupported,
    /// <summary>A defect of ours.</summary>
    Internal,
}
