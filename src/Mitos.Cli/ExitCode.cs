using Mitos.Contracts;

namespace Mitos.Cli;

/// <summary>Exit statuses. <c>exec</c> passes the command's own, and 125 when Mitos itself failed.</summary>
internal static class ExitCode
{
    public const int Ok = 0, Failed = 1, Usage = 2, NotFound = 3, Refused = 4, Exhausted = 5, Unavailable = 6, Partial = 7, ExecFailed = 125, BrokenPipe = 141;

    public static int Of(string code) => code switch
    {
        ErrorCodes.InvalidArgument => Usage,
        ErrorCodes.NotFound => NotFound,
        ErrorCodes.Conflict or ErrorCodes.FailedPrecondition or ErrorCodes.Unsupported or ErrorCodes.Unauthenticated => Refused,
        ErrorCodes.Exhausted => Exhausted,
        ErrorCodes.Unavailable or ErrorCodes.DeadlineExceeded => Unavailable,
        _ => Failed,
    };
}
