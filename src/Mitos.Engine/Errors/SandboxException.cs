namespace Mitos.Engine.Errors;

/// <summary>An expected refusal: the caller can understand it and act on it.</summary>
public sealed class SandboxException : Exception
{
    /// <param name="code">The class of the refusal.</param>
    /// <param name="message">Names the subject and its state.</param>
    /// <param name="remedy">The next step.</param>
    /// <param name="inner">What caused it, if anything did.</param>
    public SandboxException(ErrorCode code, string message, string remedy, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Remedy = remedy;
    }

    public ErrorCode Code { get; }

    public string Remedy { get; }

    public static SandboxException Invalid(string message, string remedy) => new(ErrorCode.InvalidArgument, message, remedy);

    public static SandboxException NotFound(string kind, string id, string remedy) =>
        new(ErrorCode.NotFound, $"There is no {kind} '{(id.Length <= 80 ? id : id[..80] + "…")}'.", remedy);
}
