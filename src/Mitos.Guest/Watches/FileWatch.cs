using Mitos.Guest.Files;

namespace Mitos.Guest.Watches;

/// <summary>A host's interest in changes below a path. Its id is that of the request that made it.</summary>
/// <param name="Id">Of the request.</param>
/// <param name="Path">Absolute.</param>
/// <param name="Recursive">Directories below it too, also those that are made later.</param>
/// <param name="User">With whose rights.</param>
internal sealed record FileWatch(uint Id, string Path, bool Recursive, FileUser User);
