using Mitos.Engine.Agent;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.E2B.Envd;

/// <summary>What is to be started, as the agent is told it.</summary>
internal static class ProcessSpecs
{
    private static readonly TimeSpan TimeoutGrace = TimeSpan.FromSeconds(1);

    /// <summary>What all processes of a sandbox find in their environment, beside the guest's PATH, HOME, USER and LOGNAME.</summary>
    public static Dictionary<string, string> EnvironmentOf(EnvdCall call)
    {
        var environment = new Dictionary<string, string>
        {
            ["E2B_SANDBOX"] = "true",
            ["E2B_SANDBOX_ID"] = call.Sandbox.Id.ToString(),
            ["E2B_TEMPLATE_ID"] = call.Sandbox.Template,
        };
        foreach (var (name, value) in call.Sandbox.Environment)
            environment[name] = value;
        return environment;
    }

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static ProcessSpec Of(EnvdCall call, StartRequest request)
    {
        var process = request.Process is { Cmd.Length: > 0 } config ? config : throw ConnectException.Invalid("process.cmd is required");
        return new ProcessSpec
        {
            Argv = [process.Cmd, .. process.Args],
            Environment = process.Envs,
            Surroundings = EnvironmentOf(call),
            Directory = process.Cwd,
            User = call.User,
            Stdin = request.Pty is not null || !request.HasStdin || request.Stdin,
            Timeout = call.Timeout + TimeoutGrace ?? TimeSpan.Zero, // the guest's own, should this host not be there then
            Terminal = request.Pty is { } terminal ? SizeOf(terminal.Size ?? throw ConnectException.Invalid("pty.size is required")) : null,
            Tag = request.Tag,
        };
    }

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static TerminalSize SizeOf(PTY.Types.Size size) => size.Rows is >= 1 and <= ushort.MaxValue && size.Cols is >= 1 and <= ushort.MaxValue
        ? new TerminalSize((int)size.Rows, (int)size.Cols)
        : throw ConnectException.Invalid($"a terminal of {size.Rows} rows and {size.Cols} columns is not possible; both are 1 to {ushort.MaxValue}");
}
