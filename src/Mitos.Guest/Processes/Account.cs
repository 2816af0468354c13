using System.Globalization;
using Mitos.Guest.Files;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>A user of the guest, as /etc/passwd and /etc/group say.</summary>
internal sealed record Account(string Name, uint UserId, uint GroupId, string Home, string Shell, uint[] Groups)
{
    private static readonly TextFile Users = new("/etc/passwd"), GroupList = new("/etc/group");

    /// <summary>Finds by name or number; empty: <c>user</c> where it exists, else root.</summary>
    /// <exception cref="AgentError">UnknownUser.</exception>
    public static Account Find(string name)
    {
        var lines = Users.Lines();
        if (name.Length == 0)
            return Parse(lines, "user") ?? Parse(lines, "root") ?? Root;
        return Parse(lines, name) ?? (name is "root" or "0" ? Root : null)
            ?? throw new AgentError(AgentErrorCode.UnknownUser, $"There is no user '{name}' in the guest; /etc/passwd lists those that exist");
    }

    /// <summary>Also where /etc/passwd has none.</summary>
    public static Account Root => new("root", 0, 0, "/root", "/bin/sh", [0]);

    private static Account? Parse(string[] lines, string name)
    {
        foreach (var line in lines)
        {
            var fields = line.Split(':');
            if (fields.Length < 7 || (fields[0] != name && fields[2] != name))
                continue;
            if (!uint.TryParse(fields[2], CultureInfo.InvariantCulture, out var uid) || !uint.TryParse(fields[3], CultureInfo.InvariantCulture, out var gid))
                continue;
            return new Account(fields[0], uid, gid, fields[5], fields[6].Length > 0 ? fields[6] : "/bin/sh", GroupsOf(fields[0], gid));
        }
        return null;
    }

    private static uint[] GroupsOf(string name, uint primary)
    {
        List<uint> groups = [primary];
        foreach (var line in GroupList.Lines())
        {
            var fields = line.Split(':');
            if (fields.Length >= 4 && Array.IndexOf(fields[3].Split(','), name) >= 0 && uint.TryParse(fields[2], CultureInfo.InvariantCulture, out var gid))
                groups.Add(gid);
        }
        return [.. groups];
    }
}
