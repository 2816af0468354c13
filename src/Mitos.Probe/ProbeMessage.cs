using Mitos.Protocol.Messages;

namespace Mitos.Probe;

/// <summary>
/// The requests that only the probe knows. It also answers <see cref="MessageType.Ping"/>, and answers as an agent does: with
/// <see cref="MessageType.Ok"/> or <see cref="MessageType.Error"/>. Payloads: guest/README.md.
/// </summary>
internal enum ProbeMessage : byte
{
    Identify = 128,
    SetGeneration = 129,
    Fill = 130,
    Dirty = 131,
    Checksum = 132,
    StartInvariant = 133,
    StopInvariant = 134,
    ReportInvariant = 135,
    ReadClock = 136,
    ReadDisk = 137,
    WriteDisk = 138,
    FlushDisk = 139,
    Halt = 140,
    PowerOff = 141,
}
