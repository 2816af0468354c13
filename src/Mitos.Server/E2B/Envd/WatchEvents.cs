using System.Text.RegularExpressions;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.E2B.Envd;

/// <summary>What happens to files, as filesystem.Filesystem tells it.</summary>
internal static partial class WatchEvents
{
    /// <summary>
    /// A move is two events there: the old name goes, the new one comes. Our own drafts are not shown: a file that appears as a
    /// whole was written.
    /// </summary>
    public static IEnumerable<FilesystemEvent> Of(FileEvent next, string root)
    {
        if (IsDraft(next.Path))
            yield break;
        var fromDraft = next.Kind == FileEventKind.Moved && IsDraft(next.From);
        if (next.Kind == FileEventKind.Moved && next.From.Length > 0 && !fromDraft)
            yield return Make(next.From, EventType.Rename);
        var type = next.Kind switch
        {
            FileEventKind.Created or FileEventKind.Moved => EventType.Create,
            FileEventKind.Modified => EventType.Write,
            FileEventKind.Removed => EventType.Remove,
            FileEventKind.Attributes => EventType.Chmod,
            _ => EventType.Unspecified, // lost events have no name there
        };
        if (type != EventType.Unspecified)
            yield return Make(next.Path, type);
        if (fromDraft)
            yield return Make(next.Path, EventType.Write);

        FilesystemEvent Make(string path, EventType type) => new() { Name = Path.GetRelativePath(root, path), Type = type };
    }

    // The agent's FileDraft names them NAME.mitos-TOKEN.
    private static bool IsDraft(string path) => DraftName().IsMatch(path);

    [GeneratedRegex(@"\.mitos-[0-9a-f]{12}$")]
    private static partial Regex DraftName();
}
