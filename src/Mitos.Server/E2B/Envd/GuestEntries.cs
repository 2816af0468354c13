using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.E2B.Envd;

/// <summary>Files of guests as filesystem.Filesystem shows them: with the names of their owners, and links as what they lead to.</summary>
internal sealed class GuestEntries(GuestNames names)
{
    private const string Letters = "rwxrwxrwx";
    private const int MaxLinks = 40;

    /// <exception cref="AgentException">NotFound, PermissionDenied, InvalidArgument.</exception>
    public async Task<EntryInfo> ReadAsync(EnvdCall call, string path) =>
        await DescribeAsync(call, await call.Files.StatAsync(path, call.User, call.Ended));

    /// <summary>Null: there is nothing.</summary>
    public async Task<EntryInfo?> TryReadAsync(EnvdCall call, string path)
    {
        try
        {
            return await ReadAsync(call, path);
        }
        catch (AgentException e) when (ConnectException.Of(e).Code == "not_found")
        {
            return null;
        }
    }

    public async Task<EntryInfo> DescribeAsync(EnvdCall call, GuestFile file)
    {
        var (users, groups) = await names.OfAsync(call);
        var (link, target) = file.Kind == FileKind.Link ? await FollowAsync(call, file, call.User) : ("", file);
        var shown = target ?? file;
        var entry = new EntryInfo
        {
            Name = Path.GetFileName(file.Path) is { Length: > 0 } name ? name : "/",
            Type = shown.Kind switch
            {
                FileKind.File => FileType.File,
                FileKind.Directory => FileType.Directory,
                FileKind.Link => FileType.Symlink,
                _ => FileType.Unspecified,
            },
            Path = file.Path,
            Size = file.Size,
            Mode = (uint)shown.Mode & 0x1FF,
            Permissions = Permissions(file),
            Owner = Name(users, file.UserId),
            Group = Name(groups, file.GroupId),
            ModifiedTime = Timestamp.FromDateTimeOffset(file.ModifiedAt),
            IsSymlink = file.Kind == FileKind.Link,
        };
        if (entry.IsSymlink)
            entry.SymlinkTarget = link;
        foreach (var (key, value) in shown.Metadata)
            entry.Metadata[key] = value;
        return entry;
    }

    /// <summary>Where a link leads in the end, and what is there; null: nothing.</summary>
    public static async Task<(string Path, GuestFile? File)> FollowAsync(EnvdCall call, GuestFile file, string user)
    {
        var at = file;
        for (var links = 0; links < MaxLinks; links++)
        {
            var next = Path.GetFullPath(at.LinkTarget, Path.GetDirectoryName(at.Path) ?? "/");
            try
            {
                at = await call.Files.StatAsync(next, user, call.Ended);
            }
            catch (AgentException e) when (e.Code is AgentErrorCode.NotFound or AgentErrorCode.PermissionDenied or AgentErrorCode.FailedPrecondition)
            {
                return (next, null);
            }
            if (at.Kind != FileKind.Link)
                return (next, at);
        }
        return (at.Path, null);
    }

    private static string Name(IReadOnlyDictionary<uint, string> names, uint id) => names.TryGetValue(id, out var name) ? name : id.ToString(CultureInfo.InvariantCulture);

    // As Go's fs.FileMode says it.
    private static string Permissions(GuestFile file) => (file.Kind switch { FileKind.Directory => 'd', FileKind.Link => 'L', _ => '-' })
        + string.Concat(Letters.Select((letter, index) => (file.Mode & (0x100 >> index)) != 0 ? letter : '-'));
}
