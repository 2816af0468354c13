using Mitos.Contracts;

namespace Mitos.Cli;

/// <summary>Exit statuses; <see cref="Terminal.Usage"/> has them for people.</summary>
internal static class ExitCode
{
    public const int Ok = 0, Failed = 1, Usage = 2, NotFound = 3, Refused = 4, Exhausted = 5, Unavailable = 6, Partial = 7;

    /// <summary>Of exec alone, which else passes the command's own.</summary>
    public const int ExecFailed = 125, ExecNotExecutable = 126, ExecNotFound = 127, ReaderGone = 141;

    /// <param name="code">One of <see cref="ErrorCodes"/>.</param>
    public static int Of(string code) => code switch
    {
        ErrorCodes.InvalidArgument => Usage,
        ErrorCodes.NotFound => NotFound,
        ErrorCodes.Conflict or ErrorCodes.FailedPrecondition or ErrorCodes.Unsupported or ErrorCodes.Unauthenticated or ErrorCodes.PermissionDenied => Refused,
        ErrorCodes.Exhausted => Exhausted,
        ErrorCodes.Unavailable or ErrorCodes.DeadlineExceeded => Unavailable,
        _ => Failed,
    };
}
