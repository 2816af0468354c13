namespace Mitos.Contracts;

/// <summary>The body of every answer that is not a success.</summary>
/// <param name="Code">One of <see cref="ErrorCodes"/>, for programs.</param>
/// <param name="Message">What failed, naming the subject and its state.</param>
/// <param name="Remedy">What to do about it.</param>
public sealed record ErrorBody(string Code, string Message, string Remedy);
