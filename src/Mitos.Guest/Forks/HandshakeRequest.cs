using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Forks;

/// <summary>What makes a new machine itself; see <see cref="MessageType.Handshake"/>.</summary>
internal sealed record HandshakeRequest(
    string SandboxId, string ForkId, int Index, byte[] Entropy, long WallClockUnixNs, string Hostname, string MachineId, string Token, Dictionary<string, string> Environment)
{
    /// <exception cref="AgentError">InvalidArgument.</exception>
    public static HandshakeRequest Read(ref WireReader reader)
    {
        var request = new HandshakeRequest(reader.Text(), reader.Text(), reader.Int32(), reader.Raw(32).ToArray(), reader.Signed(),
            reader.Text(), reader.Text(), reader.Text(), reader.Map());
        return !reader.Failed ? request : throw AgentError.Invalid("The handshake is incomplete");
    }
}
