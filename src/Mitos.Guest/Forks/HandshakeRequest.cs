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
        if (reader.Failed)
            throw AgentError.Invalid("The handshake is incomplete");
        if (request.Hostname.Length is 0 or > 63 || request.Hostname.AsSpan().ContainsAny("\0\n /"))
            throw AgentError.Invalid($"'{request.Hostname}' cannot be a host name: 1 to 63 characters without spaces");
        if (request.MachineId.Length != 32)
            throw AgentError.Invalid("A machine id has 32 hexadecimal digits");
        return request;
    }
}
