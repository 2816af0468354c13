using Google.Protobuf;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Wire;
using GuestEvent = Mitos.Engine.Agent.ProcessEvent;
using ProcessEvent = Mitos.Server.E2B.Envd.Wire.ProcessEvent;

namespace Mitos.Server.E2B.Envd;

/// <summary>What processes do, as process.Process tells it.</summary>
internal static class ProcessEvents
{
    public static ProcessEvent Of(GuestEvent happened, bool hasTerminal)
    {
        if (happened.Exit is { } exit)
            return new ProcessEvent { End = EndOf(exit) };
        var bytes = UnsafeByteOperations.UnsafeWrap(happened.Bytes); // nobody writes to it any more
        return new ProcessEvent
        {
            Data = hasTerminal ? new() { Pty = bytes } : happened.Stream == OutputStream.Stdout ? new() { Stdout = bytes } : new() { Stderr = bytes },
        };
    }

    // As Go's os.ProcessState says it, which clients show.
    private static ProcessEvent.Types.EndEvent EndOf(ProcessExit exit)
    {
        var end = new ProcessEvent.Types.EndEvent
        {
            ExitCode = exit.Signal == 0 ? exit.Code : -1,
            Exited = exit.Signal == 0,
            Status = exit.Signal == 0 ? $"exit status {exit.Code}" : $"signal: {NameOf(exit.Signal)}",
        };
        if (exit.Code != 0)
            end.Error = end.Status;
        return end;
    }

    private static string NameOf(int signal) => signal switch
    {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        6 => "aborted",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        _ => $"signal {signal}",
    };
}
