using Mitos.Probe;
using Mitos.Protocol.Messages;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>
/// Stands in for the probe guest (src/Mitos.Probe/guest): the same requests and answers, played on the machine's memory. What the probe
/// keeps in memory is kept in memory here too, from its image on, and what it keeps in a register is part of the device state: so
/// a capture that misses a page, or is of two instants, shows. Called while the machine runs, by one thread at a time.
/// </summary>
internal sealed class FakeGuest
{
    private const ulong Image = 2 << 20, ImageEnd = Image + 65536, FirstUsable = ProbeFacts.FirstUsable, Page = 4096;
    private const ulong BootId = Image, Generation = Image + 8, Requests = Image + 16, Connects = Image + 24, Resets = Image + 32;
    // running, first page, second page, iterations, violations, bad first, bad second, bad expected; the probe's order
    private const ulong Invariant = Image + 64;
    private const int Turns = 512;
    private readonly GuestMemory _memory;
    private readonly FakeDisks _disks;
    private readonly ulong _contextId;
    private string _reason = "";

    public FakeGuest(GuestMemory memory, FakeDisks disks, ulong contextId)
    {
        _memory = memory;
        _disks = disks;
        _contextId = contextId;
    }

    public ulong Register { get; set; }

    public bool IsHalted { get; set; }

    public bool KeepsInvariant => !IsHalted && _memory.ReadWord(Invariant) == 1;

    public void Boot() => _memory.WriteWord(BootId, (ulong)Random.Shared.NextInt64() | 1);

    public void CountConnect() => Count(Connects);

    /// <summary>The device writes its event into guest memory, while the guest stands still.</summary>
    public void ResetTransport() => Count(Resets);

    /// <summary>Some hundred turns of the invariant.</summary>
    public void Step()
    {
        var (first, second) = (_memory.ReadWord(Invariant + 8), _memory.ReadWord(Invariant + 16));
        for (var i = 0; i < Turns; i++)
        {
            var (a, b) = (_memory.ReadWord(first), _memory.ReadWord(second));
            if (a != Register || b != Register)
            {
                Count(Invariant + 32);
                _memory.WriteWord(Invariant + 40, a);
                _memory.WriteWord(Invariant + 48, b);
                _memory.WriteWord(Invariant + 56, Register);
            }
            Register++;
            _memory.WriteWord(first, Register);
            _memory.WriteWord(second, Register);
        }
        _memory.WriteWord(Invariant + 24, Register);
    }

    /// <summary>Carries out a request.</summary>
    public (MessageType Type, byte[] Payload) Run(MessageType type, ReadOnlySpan<byte> payload)
    {
        var reader = new WireReader(payload);
        var writer = new WireWriter();
        var code = Run(type, ref reader, writer);
        if (reader.Failed)
            code = Refuse(AgentErrorCode.InvalidArgument, "the request is shorter than its fields");
        Count(Requests);
        return code == 0 ? (MessageType.Ok, writer.Written.ToArray()) : (MessageType.Error, new WireWriter().Number((int)code).Number(0).Text(_reason).Written.ToArray());
    }

    private AgentErrorCode Run(MessageType type, ref WireReader reader, WireWriter writer)
    {
        switch (type)
        {
            case MessageType.Ping:
                writer.Raw(reader.Rest());
                return 0;
            case (MessageType)ProbeMessage.Identify:
                return Identify(writer);
            case (MessageType)ProbeMessage.SetGeneration:
                var generation = reader.Number();
                if (!reader.Failed)
                    _memory.WriteWord(Generation, generation);
                return 0;
            case (MessageType)ProbeMessage.Fill:
                return Fill(reader.Number(), reader.Number(), reader.Number(), reader.Failed);
            case (MessageType)ProbeMessage.Dirty:
                return Dirty(reader.Number(), reader.Number(), reader.Number(), reader.Number(), reader.Failed);
            case (MessageType)ProbeMessage.Checksum:
                return Checksum(reader.Number(), reader.Number(), reader.Failed, writer);
            case (MessageType)ProbeMessage.StartInvariant:
                return StartInvariant(reader.Number(), reader.Number(), reader.Failed);
            case (MessageType)ProbeMessage.StopInvariant:
                _memory.WriteWord(Invariant, 0);
                return Report(writer);
            case (MessageType)ProbeMessage.ReportInvariant:
                return Report(writer);
            case (MessageType)ProbeMessage.ReadClock:
                writer.Number((ulong)System.Diagnostics.Stopwatch.GetTimestamp()).Flag(false).Number(0).Number((ulong)Environment.TickCount64);
                return 0;
            case (MessageType)ProbeMessage.ReadDisk:
                return _disks.Read(reader.Number(), reader.Number(), reader.Number(), reader.Failed, writer, Refuse);
            case (MessageType)ProbeMessage.WriteDisk:
                return _disks.Write(reader.Number(), reader.Number(), reader.Failed, reader.Rest(), Refuse);
            case (MessageType)ProbeMessage.FlushDisk:
                return _disks.Flush(reader.Number(), reader.Failed, Refuse);
            case (MessageType)ProbeMessage.Halt:
                IsHalted = true;
                return 0;
            case (MessageType)ProbeMessage.PowerOff:
                return 0;
            default:
                return Refuse(AgentErrorCode.Unsupported, "this machine runs the probe, which knows no such request");
        }
    }

    private AgentErrorCode Identify(WireWriter writer)
    {
        writer.Number(1).Raw(BitConverter.GetBytes(_memory.ReadWord(BootId)));
        foreach (var field in (ulong[])[Generation, Requests, Connects, Resets])
            writer.Number(_memory.ReadWord(field));
        writer.Number((int)ProbeBoot.Pvh).Number(_contextId).Number((ulong)_memory.Length).Number(Image).Number(ImageEnd);
        writer.Number(_memory.Regions.Count());
        foreach (var (start, length) in _memory.Regions)
            writer.Number(Math.Max(start, FirstUsable)).Number(start == 0 ? length - FirstUsable : length);
        _disks.Describe(writer);
        return 0;
    }

    private AgentErrorCode Fill(ulong address, ulong length, ulong seed, bool failed)
    {
        if (failed)
            return 0;
        if (address % 8 != 0 || length % 8 != 0)
            return Refuse(AgentErrorCode.InvalidArgument, "address and length must be divisible by 8");
        if (!IsWritable(address, length))
            return Refuse(AgentErrorCode.InvalidArgument, "the range is not memory, or is the probe's own");
        for (ulong done = 0; done < length; done += 1 << 20)
            ProbePattern.Fill(_memory.At(address + done, Math.Min(1 << 20, length - done)), address + done, seed);
        return 0;
    }

    private AgentErrorCode Dirty(ulong address, ulong pages, ulong stride, ulong seed, bool failed)
    {
        if (failed || pages == 0)
            return 0;
        if (address % Page != 0 || stride % Page != 0 || stride == 0)
            return Refuse(AgentErrorCode.InvalidArgument, "address and stride must be divisible by 4096, and the stride not zero");
        if (pages - 1 > (16UL << 30) / stride || !IsWritable(address, ((pages - 1) * stride) + Page))
            return Refuse(AgentErrorCode.InvalidArgument, "the range is not memory, or is the probe's own");
        for (ulong i = 0; i < pages; i++)
            _memory.WriteWord(address + (i * stride), ProbePattern.Word(seed, address + (i * stride)));
        return 0;
    }

    private AgentErrorCode Checksum(ulong address, ulong length, bool failed, WireWriter writer)
    {
        if (failed)
            return 0;
        if (address % 8 != 0 || length % 8 != 0)
            return Refuse(AgentErrorCode.InvalidArgument, "address and length must be divisible by 8");
        if (address < FirstUsable || !_memory.Has(address, length))
            return Refuse(AgentErrorCode.InvalidArgument, "the range is not memory");
        var hash = ProbePattern.Checksum([]);
        for (ulong done = 0; done < length; done += 1 << 20)
            hash = ProbePattern.Checksum(_memory.At(address + done, Math.Min(1 << 20, length - done)), hash);
        writer.Raw(BitConverter.GetBytes(hash));
        return 0;
    }

    private AgentErrorCode StartInvariant(ulong first, ulong second, bool failed)
    {
        if (failed)
            return 0;
        if (first % Page != 0 || second % Page != 0 || first == second || !IsWritable(first, Page) || !IsWritable(second, Page))
            return Refuse(AgentErrorCode.InvalidArgument, "two different pages of memory are needed");
        for (ulong field = 0; field < 64; field += 8)
            _memory.WriteWord(Invariant + field, 0);
        _memory.WriteWord(Invariant + 8, first);
        _memory.WriteWord(Invariant + 16, second);
        _memory.WriteWord(first, 0);
        _memory.WriteWord(second, 0);
        Register = 0;
        _memory.WriteWord(Invariant, 1);
        return 0;
    }

    private AgentErrorCode Report(WireWriter writer)
    {
        for (ulong field = 0; field < 64; field += 8)
            writer.Number(_memory.ReadWord(Invariant + field));
        return 0;
    }

    private bool IsWritable(ulong address, ulong length) =>
        address >= FirstUsable && _memory.Has(address, length) && (address + length <= Image || address >= ImageEnd);

    private void Count(ulong address) => _memory.WriteWord(address, _memory.ReadWord(address) + 1);

    private AgentErrorCode Refuse(AgentErrorCode code, string reason)
    {
        _reason = reason;
        return code;
    }
}
