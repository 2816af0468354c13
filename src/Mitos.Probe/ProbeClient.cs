using System.Net.Sockets;
using Mitos.Protocol.Messages;

namespace Mitos.Probe;

/// <summary>
/// The host's side of the probe guest. One stream, one request at a time. Addresses are guest-physical, in bytes. All methods
/// throw <see cref="ProbeException"/> when the probe refuses and <see cref="IOException"/> when the stream breaks; then connect anew.
/// </summary>
public sealed class ProbeClient : IAsyncDisposable
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(2);
    private readonly ProbeConnection _connection;

    private ProbeClient(ProbeConnection connection) => _connection = connection;

    /// <summary>Connects, as often as it takes until the probe answers. A machine that is booting needs no waiting before.</summary>
    /// <param name="connect">Opens a stream: see <see cref="ProbeEndpoint"/>.</param>
    /// <param name="cancellationToken">The only limit.</param>
    public static async Task<ProbeClient> ConnectAsync(Func<CancellationToken, ValueTask<Stream>> connect, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var connection = new ProbeConnection(await connect(cancellationToken));
                try
                {
                    await connection.RequestAsync(MessageType.Ping, null, cancellationToken);
                    return new ProbeClient(connection);
                }
                catch
                {
                    await connection.DisposeAsync();
                    throw;
                }
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                await Task.Delay(RetryInterval, cancellationToken);
            }
        }
    }

    /// <summary>Sends bytes there and back; at most 8 KiB.</summary>
    public Task<byte[]> PingAsync(byte[] bytes, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Ping, payload => payload.Raw(bytes), cancellationToken);

    public async Task<ProbeFacts> IdentifyAsync(CancellationToken cancellationToken) =>
        ReadFacts(await RequestAsync(ProbeMessage.Identify, null, cancellationToken));

    /// <summary>Gives the machine a number of the host's, which its descendants inherit.</summary>
    public Task SetGenerationAsync(ulong generation, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.SetGeneration, payload => payload.Number(generation), cancellationToken);

    /// <summary>Writes <see cref="ProbePattern.Fill"/>.</summary>
    /// <param name="address">Divisible by 8.</param>
    /// <param name="length">Bytes, divisible by 8.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="cancellationToken">Gives up waiting, not the writing.</param>
    public Task FillAsync(ulong address, ulong length, ulong seed, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.Fill, payload => payload.Number(address).Number(length).Number(seed), cancellationToken);

    /// <summary>Writes one word, <see cref="ProbePattern.Word"/>, at the beginning of each of a number of pages.</summary>
    /// <param name="address">The first page, divisible by 4096.</param>
    /// <param name="pages">How many; 0 is allowed.</param>
    /// <param name="stride">Bytes from one to the next, divisible by 4096. All between must be memory, and not the probe's own.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="cancellationToken">Gives up waiting, not the writing.</param>
    public Task DirtyAsync(ulong address, ulong pages, ulong stride, ulong seed, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.Dirty, payload => payload.Number(address).Number(pages).Number(stride).Number(seed), cancellationToken);

    /// <summary><see cref="ProbePattern.Checksum"/> of memory as the guest sees it.</summary>
    /// <param name="address">Divisible by 8.</param>
    /// <param name="length">Bytes, divisible by 8.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async Task<ulong> ChecksumAsync(ulong address, ulong length, CancellationToken cancellationToken)
    {
        var answer = await RequestAsync(ProbeMessage.Checksum, payload => payload.Number(address).Number(length), cancellationToken);
        return answer.Length == 8 ? BitConverter.ToUInt64(answer) : throw Senseless(ProbeMessage.Checksum);
    }

    /// <summary>
    /// Begins to write two counters, a and then b, as fast as it goes, until it is stopped. Each is the first 64-bit word of its page.
    /// At any instant a == b or a == b + 1, and the guest itself checks that memory and its registers agree.
    /// </summary>
    /// <param name="firstPage">Where a is, divisible by 4096.</param>
    /// <param name="secondPage">Where b is; another page.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public Task StartInvariantAsync(ulong firstPage, ulong secondPage, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.StartInvariant, payload => payload.Number(firstPage).Number(secondPage), cancellationToken);

    /// <summary>Ends the writing and reports.</summary>
    public async Task<InvariantReport> StopInvariantAsync(CancellationToken cancellationToken) =>
        ReadReport(await RequestAsync(ProbeMessage.StopInvariant, null, cancellationToken), ProbeMessage.StopInvariant);

    public async Task<InvariantReport> ReportInvariantAsync(CancellationToken cancellationToken) =>
        ReadReport(await RequestAsync(ProbeMessage.ReportInvariant, null, cancellationToken), ProbeMessage.ReportInvariant);

    public async Task<ProbeClocks> ReadClocksAsync(CancellationToken cancellationToken)
    {
        var reader = new WireReader(await RequestAsync(ProbeMessage.ReadClock, null, cancellationToken));
        var (tsc, exists, ns, ticks) = (reader.Number(), reader.Flag(), reader.Number(), reader.Number());
        return reader.Failed ? throw Senseless(ProbeMessage.ReadClock) : new ProbeClocks(tsc, exists ? ns : null, ticks);
    }

    /// <summary>Reads from a disk.</summary>
    /// <param name="disk">Its index in <see cref="ProbeFacts.Disks"/>.</param>
    /// <param name="sector">The first sector of 512 bytes.</param>
    /// <param name="length">Bytes: 512 to 4096, whole sectors.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public Task<byte[]> ReadDiskAsync(int disk, ulong sector, int length, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.ReadDisk, payload => payload.Number(disk).Number(sector).Number(length), cancellationToken);

    /// <summary>Writes to a disk; lengths as in <see cref="ReadDiskAsync"/>.</summary>
    public Task WriteDiskAsync(int disk, ulong sector, byte[] bytes, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.WriteDisk, payload => payload.Number(disk).Number(sector).Raw(bytes), cancellationToken);

    /// <summary>Returns when what was written is as durable as the VMM makes it.</summary>
    public Task FlushDiskAsync(int disk, CancellationToken cancellationToken) =>
        RequestAsync(ProbeMessage.FlushDisk, payload => payload.Number(disk), cancellationToken);

    /// <summary>The machine stays, and never answers again.</summary>
    public Task HaltAsync(CancellationToken cancellationToken) => RequestAsync(ProbeMessage.Halt, null, cancellationToken);

    /// <summary>The machine ends, and its VMM with it.</summary>
    public async Task PowerOffAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RequestAsync(ProbeMessage.PowerOff, null, cancellationToken);
        }
        catch (IOException)
        {
            // it was quicker than its answer
        }
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private Task<byte[]> RequestAsync(ProbeMessage message, Action<WireWriter>? write, CancellationToken cancellationToken) =>
        _connection.RequestAsync((MessageType)message, write, cancellationToken);

    private static InvariantReport ReadReport(byte[] answer, ProbeMessage message)
    {
        var reader = new WireReader(answer);
        var report = new InvariantReport(reader.Flag(), reader.Number(), reader.Number(), reader.Number(), reader.Number(), reader.Number(), reader.Number(), reader.Number());
        return reader.Failed ? throw Senseless(message) : report;
    }

    private static ProbeFacts ReadFacts(byte[] answer)
    {
        var reader = new WireReader(answer);
        var version = reader.Number();
        if (version != 1)
            throw new ProbeException(AgentErrorCode.Unsupported, $"The probe speaks version {version} of its protocol, this program version 1: probe.elf is of another build.");
        var bootId = reader.Raw(8);
        var facts = new ProbeFacts
        {
            BootId = bootId.Length == 8 ? BitConverter.ToUInt64(bootId) : 0,
            Generation = reader.Number(),
            Requests = reader.Number(),
            Connects = reader.Number(),
            TransportResets = reader.Number(),
            Boot = (ProbeBoot)reader.Int32(),
            VsockContextId = reader.Number(),
            MemoryBytes = reader.Number(),
            Image = ReadSpan(ref reader),
            Memory = ReadMemory(ref reader),
            Disks = ReadDisks(ref reader),
        };
        return reader.Failed ? throw Senseless(ProbeMessage.Identify) : facts;
    }

    private static ProbeRange ReadSpan(ref WireReader reader)
    {
        var (start, end) = (reader.Number(), reader.Number());
        return new ProbeRange(start, end - start);
    }

    private static ProbeRange[] ReadMemory(ref WireReader reader)
    {
        var ranges = new ProbeRange[reader.Count()];
        for (var i = 0; i < ranges.Length; i++)
            ranges[i] = new ProbeRange(reader.Number(), reader.Number());
        return ranges;
    }

    private static ProbeDisk[] ReadDisks(ref WireReader reader)
    {
        var disks = new ProbeDisk[reader.Count()];
        for (var i = 0; i < disks.Length; i++)
            disks[i] = new ProbeDisk(reader.Number(), reader.Flag());
        return disks;
    }

    private static ProbeException Senseless(ProbeMessage message) => new(AgentErrorCode.Internal, $"The probe's answer to {message} makes no sense.");
}
