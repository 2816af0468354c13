namespace Mitos.Contracts;

/// <summary>A file of a guest.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Kind"><c>file</c>, <c>directory</c>, <c>link</c> or <c>other</c>.</param>
/// <param name="Mode">Permission bits, octal.</param>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Group.</param>
/// <param name="SizeBytes">Size.</param>
/// <param name="ModifiedAt">Last change of its content.</param>
/// <param name="LinkTarget">Where a link points.</param>
public sealed record FileBody(string Path, string Kind, string Mode, long UserId, long GroupId, long SizeBytes, DateTimeOffset ModifiedAt, string? LinkTarget);

/// <summary>Moves a file.</summary>
public sealed record MoveRequest(string? From, string? To);

/// <summary>How much was written.</summary>
public sealed record WrittenBody(long Bytes);
