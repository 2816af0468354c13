using System.Globalization;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd;

/// <summary>A file as filesystem.Filesystem shows it. Of a link the type and mode are those of what it points to.</summary>
internal sealed record EntryInfo(GuestFile File, GuestFile? Target, string? LinkTarget, string Owner, string Group)
{
    private const string Letters = "rwxrwxrwx";

    /// <exception cref="AgentException">NotFound, PermissionDenied, InvalidArgument.</exception>
    public static async Task<EntryInfo> ReadAsync(EnvdCall call, GuestNames names, string path) =>
        await CompleteAsync(call, names, await call.Agent.Files.StatAsync(path, call.User, call.Aborted));

    /// <summary>With the names of its owners, and what it points to.</summary>
    public static async Task<EntryInfo> CompleteAsync(EnvdCall call, GuestNames names, GuestFile file)
    {
        var (users, groups) = await names.OfAsync(call);
        var (link, target) = file.Kind == FileKind.Link ? await FollowAsync(call, file) : (null, null);
        return new EntryInfo(file, target, link, Name(users, file.UserId), Name(groups, file.GroupId));
    }

    public void Write(Utf8JsonWriter writer, string name)
    {
        writer.WritePropertyName(name);
        Write(writer);
    }

    public void Write(Utf8JsonWriter writer)
    {
        var shown = Target ?? File;
        writer.WriteStartObject();
        writer.WriteString("name", Path.GetFileName(File.Path) is { Length: > 0 } last ? last : "/");
        writer.WriteString("type", (LinkTarget is not null && Target is null ? FileKind.Link : shown.Kind) switch
        {
            FileKind.File => "FILE_TYPE_FILE",
            FileKind.Directory => "FILE_TYPE_DIRECTORY",
            FileKind.Link => "FILE_TYPE_SYMLINK",
            _ => "FILE_TYPE_UNSPECIFIED",
        });
        writer.WriteString("path", File.Path);
        writer.WriteString("size", File.Size.ToString(CultureInfo.InvariantCulture)); // as the JSON form of protocol buffers has long numbers
        writer.WriteNumber("mode", shown.Mode & 0x1FF);
        writer.WriteString("permissions", Permissions(File));
        writer.WriteString("owner", Owner);
        writer.WriteString("group", Group);
        writer.WriteString("modifiedTime", File.ModifiedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        if (LinkTarget is not null)
            writer.WriteString("symlinkTarget", LinkTarget);
        writer.WriteEndObject();
    }

    private static async Task<(string Link, GuestFile? Target)> FollowAsync(EnvdCall call, GuestFile file)
    {
        var at = file;
        for (var hops = 0; hops < 16; hops++)
        {
            var next = Path.GetFullPath(at.LinkTarget, Path.GetDirectoryName(at.Path) ?? "/");
            try
            {
                at = await call.Agent.Files.StatAsync(next, call.User, call.Aborted);
            }
            catch (AgentException)
            {
                return (next, null); // it points nowhere
            }
            if (at.Kind != FileKind.Link)
                return (next, at);
        }
        return (at.Path, null);
    }

    private static string Name(IReadOnlyDictionary<uint, string> names, uint id) => names.TryGetValue(id, out var name) ? name : id.ToString(CultureInfo.InvariantCulture);

    private static string Permissions(GuestFile file) => (file.Kind switch { FileKind.Directory => 'd', FileKind.Link => 'L', _ => '-' })
        + string.Concat(Letters.Select((letter, index) => (file.Mode & (0x100 >> index)) != 0 ? letter : '-'));
}
