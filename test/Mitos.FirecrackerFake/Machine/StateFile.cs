using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>
/// A device state in a file of Firecracker's form: magic number, version of the format, state, CRC-64 of all before it. The state itself
/// is JSON of ours.
/// </summary>
internal static class StateFile
{
    private const ulong Magic = 0x0710_1984_8664_0000;

    /// <exception cref="InvalidDataException">Why it cannot be loaded, in Firecracker's words.</exception>
    public static DeviceState Decode(byte[] file, int format)
    {
        if (file.Length < 8)
            throw new InvalidDataException("Snapshot file is smaller than CRC length.");
        var body = file.AsSpan(0, file.Length - 8);
        var crc = Crc64.Compute(body);
        if (BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(body.Length)) != crc)
            throw new InvalidDataException($"CRC64 validation failed: {crc}");
        var found = ReadFormat(body);
        if (found.Major != format)
            throw new InvalidDataException($"Invalid data version: {found.Text}");
        return JsonSerializer.Deserialize(body[(17 + body[16])..], StateJson.Default.DeviceState)!;
    }

    /// <summary>The version of a file's format, for <c>--describe-snapshot</c>.</summary>
    public static (int Major, string Text) ReadFormat(ReadOnlySpan<byte> file)
    {
        if (file.Length < 17 || file.Length < 17 + file[16])
            throw new InvalidDataException("Snapshot file is smaller than CRC length.");
        var magic = BinaryPrimitives.ReadUInt64LittleEndian(file);
        if (magic != Magic)
            throw new InvalidDataException($"Magic value does not match arch: {magic}");
        var text = Encoding.ASCII.GetString(file.Slice(17, file[16]));
        return (int.Parse(text.Split('.')[0]), text);
    }

    public static byte[] Encode(DeviceState state, int format)
    {
        var version = Encoding.ASCII.GetBytes($"{format}.0.0");
        byte[] body = [.. BitConverter.GetBytes(Magic), .. BitConverter.GetBytes(0L), (byte)version.Length, .. version, .. JsonSerializer.SerializeToUtf8Bytes(state, StateJson.Default.DeviceState)];
        return [.. body, .. BitConverter.GetBytes(Crc64.Compute(body))];
    }
}

/// <summary>What a snapshot holds besides memory.</summary>
internal sealed record DeviceState
{
    public int CpuCount { get; init; }

    public int MemoryMiB { get; init; }

    public IReadOnlyList<DriveState> Drives { get; init; } = [];

    public VsockState? Vsock { get; init; }

    public IReadOnlyList<CardState> NetworkInterfaces { get; init; } = [];

    /// <summary>The guest's one register: what both counters of its invariant are, or are about to be.</summary>
    public ulong Register { get; init; }

    public bool IsHalted { get; init; }
}

/// <param name="Id">Of the drive.</param>
/// <param name="Path">On the host.</param>
/// <param name="IsReadOnly">For the guest.</param>
/// <param name="RateLimiter">JSON; empty: none. A snapshot has it.</param>
internal sealed record DriveState(string Id, string Path, bool IsReadOnly, string RateLimiter = "");

/// <param name="Id">Of the interface.</param>
/// <param name="Tap">The host's device.</param>
internal sealed record CardState(string Id, string Tap);

internal sealed record VsockState(int ContextId, string Path);

[JsonSerializable(typeof(DeviceState))]
internal sealed partial class StateJson : JsonSerializerContext;
