namespace Mitos.Contracts;

/// <summary>A file of a guest.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Kind"><c>file</c>, <c>directory</c>, <c>link</c> or <c>other</c>.</param>
/// <param name="Mode">Permission bits in octal digits, for example 644.</param>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Group.</param>
/// <param name="SizeBytes">Size.</param>
/// <param name="ModifiedAt">Last change of its content.</param>
/// <param name="LinkTarget">Where a link points; missing for all else.</param>
public sealed record FileBody(string Path, string Kind, string Mode, long UserId, long GroupId, long SizeBytes, DateTimeOffset ModifiedAt, string? LinkTarget = null);

/// <summary>Moves a file or directory.</summary>
/// <param name="From">What to move.</param>
/// <param name="To">Its new path; a file there is replaced.</param>
public sealed record MoveRequest(string? From, string? To);

/// <summary>How much was written.</summary>
/// <param name="Bytes">Size of the file.</param>
public sealed record WrittenBody(long Bytes);
