namespace Mitos.Protocol.Messages;

/// <summary>
/// The messages. Values below 64 are the host's requests, each answered by <see cref="Ok"/> or <see cref="Error"/> of the same
/// id; the rest come from the guest. Payloads: docs/protocol.md.
/// </summary>
public enum MessageType : byte
{
    /// <summary>Begins a session: version, client id. Answered by <see cref="HelloAck"/>.</summary>
    Hello = 1,
    Ping = 2,
    /// <summary>Starts a process, or finds the one that has this key already.</summary>
    Start = 3,
    /// <summary>Subscribes to a process's output from given offsets on; the request's id is the subscription's.</summary>
    Attach = 4,
    /// <summary>Ends a subscription.</summary>
    Detach = 5,
    /// <summary>The host has taken output up to an offset. Not answered.</summary>
    Ack = 6,
    Stdin = 7,
    CloseStdin = 8,
    Signal = 9,
    Resize = 10,
    ListProcesses = 11,
    Forget = 12,

    Stat = 20,
    ListDirectory = 21,
    ReadFile = 22,
    WriteFile = 23,
    CommitFile = 24,
    AbortFile = 25,
    MakeDirectory = 26,
    Move = 27,
    Remove = 28,
    /// <summary>Subscribes to changes below a path; the request's id is the subscription's.</summary>
    Watch = 29,
    /// <summary>Ends such a subscription.</summary>
    Unwatch = 30,

    Metrics = 40,
    Handshake = 41,
    /// <summary>Settles the machine before it is frozen as a template.</summary>
    Freeze = 42,
    Sync = 43,
    PowerOff = 44,
    ConfigureNetwork = 45,
    /// <summary>Connects to a port inside the guest. The stream is then attached, written and ended like a process.</summary>
    OpenPort = 46,
    ClosePort = 47,

    HelloAck = 64,
    Ok = 65,
    Error = 66,
    /// <summary>Bytes of a process's output.</summary>
    Output = 67,
    /// <summary>The process has ended and all its output was sent.</summary>
    Exited = 68,
    /// <summary>A part of an answer that is too long for one frame; <see cref="Ok"/> brings the last.</summary>
    Part = 69,
    /// <summary>Changes of files.</summary>
    FileEvents = 70,
}
