using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>What the host asks for with <see cref="MessageType.Start"/>. <c>Surroundings</c>: environment that its own goes before, and that lists do not tell.</summary>
internal sealed record StartRequest(
    ProcessKey Key, string[] Argv, string Directory, Dictionary<string, string> Environment, string User, bool Stdin, bool Terminal, int Rows, int Columns, int TimeoutMs, string Tag = "",
    Dictionary<string, string>? Surroundings = null)
{
    /// <exception cref="AgentError">InvalidArgument.</exception>
    public static StartRequest Read(ref WireReader reader)
    {
        var key = ProcessKey.Read(reader.Raw(ProcessKey.Length));
        var argv = reader.Texts();
        var directory = reader.Text();
        var environment = reader.Map();
        var user = reader.Text();
        var flags = reader.Int32();
        var request = new StartRequest(key, argv, directory, environment, user, (flags & 1) != 0, (flags & 2) != 0, reader.Int32(), reader.Int32(), reader.Int32(), reader.Text(), reader.Map());
        if (reader.Failed || argv.Length == 0 || argv[0].Length == 0)
            throw AgentError.Invalid("A process needs a command");
        if (Array.Exists(argv, argument => argument.Contains('\0')) || directory.Contains('\0'))
            throw AgentError.Invalid("A command and its directory cannot have NUL bytes");
        foreach (var (name, value) in environment.Concat(request.Surroundings!))
        {
            if (name.Length == 0 || name.AsSpan().ContainsAny('=', '\0') || value.Contains('\0'))
                throw AgentError.Invalid($"'{name}' cannot be set in an environment: a name has no '=', and neither it nor its value has a NUL byte");
        }
        return request;
    }
}
