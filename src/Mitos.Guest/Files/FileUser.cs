using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>In whose name files are used.</summary>
/// <param name="Account">Where relative paths begin, and who owns what is made.</param>
/// <param name="AsRoot">The work is done with root's rights; else with the account's own.</param>
internal sealed record FileUser(Account Account, bool AsRoot)
{
    /// <exception cref="AgentError">UnknownUser.</exception>
    public static FileUser Read(ref WireReader request) => new(Account.Find(request.Text()), request.Flag());

    /// <summary>See <see cref="FileIdentity"/>.</summary>
    public void Become() => FileIdentity.Become(AsRoot ? Account.Root : Account);

    /// <summary>What root has made becomes the account's; a link itself, not what it leads to.</summary>
    /// <exception cref="AgentError">The file system knows no owners, and so on.</exception>
    public void Own(string path)
    {
        if (AsRoot && Environment.IsPrivilegedProcess && Libc.Lchown(path, Account.UserId, Account.GroupId) != 0)
            throw AgentError.FromLastError($"give '{path}' to the user '{Account.Name}'");
    }
}
