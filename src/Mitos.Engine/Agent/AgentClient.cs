using Mitos.Engine.Observability;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>The agent of one machine. Connects at the first use and again whenever the stream breaks, unseen by its users.</summary>
public sealed class AgentClient : IAsyncDisposable
{
    private readonly AgentConnection _connection;
    private readonly string _subject;

    /// <param name="connect">Opens a fresh stream to the machine's agent.</param>
    /// <param name="subject">Names the machine in messages, for example <c>sandbox iabc</c>.</param>
    /// <param name="time">For the delays between attempts to connect.</param>
    public AgentClient(Func<CancellationToken, ValueTask<Stream>> connect, string subject, TimeProvider? time = null)
    {
        _subject = subject;
        _connection = new AgentConnection(connect, subject, time ?? TimeProvider.System);
        Files = new AgentFiles(_connection, asRoot: false);
        FilesAsRoot = new AgentFiles(_connection, asRoot: true);
    }

    /// <summary>Files with the rights of the user who is named.</summary>
    public AgentFiles Files { get; }

    /// <summary>Files with root's rights: the user who is named says where relative paths begin and who owns what is made or written.</summary>
    public AgentFiles FilesAsRoot { get; }

    /// <summary>Waits until the agent has answered.</summary>
    /// <exception cref="AgentException">Unsupported: it speaks another version. Internal: the machine is gone.</exception>
    public Task<AgentFacts> ConnectAsync(CancellationToken cancellationToken) => _connection.ConnectAsync(cancellationToken);

    /// <summary>Makes the machine itself. Only after this it may be handed out.</summary>
    /// <exception cref="AgentException">A step or a hook failed; the machine must be destroyed.</exception>
    public Task HandshakeAsync(ForkIdentity identity, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Handshake, writer => writer
            .Text(identity.SandboxId).Text(identity.ForkId).Number(identity.Index).Raw(identity.Entropy)
            .Signed((DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100)
            .Text(identity.Hostname).Text(identity.MachineId).Text(identity.Token).Map(identity.Environment), cancellationToken);

    public Task PingAsync(CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.Ping, _ => { }, cancellationToken);

    /// <summary>Starts a process and takes its output from the beginning.</summary>
    /// <exception cref="AgentException">NotFound (command, user, directory), InvalidArgument, PermissionDenied.</exception>
    public async Task<AgentProcess> StartAsync(ProcessSpec spec, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.Timeout, TimeSpan.Zero);
        using var span = EngineTrace.Start("exec start");
        // One behind the other, without waiting in between, in one write.
        var starting = _connection.RequestAsync(MessageType.Start, writer =>
        {
            spec.Key.Write(writer);
            writer.Texts(spec.Argv.ToList()).Text(spec.Directory).Map(spec.Environment).Text(spec.User)
                .Number((spec.Stdin ? 1 : 0) | (spec.Terminal is null ? 0 : 2))
                .Number(spec.Terminal?.Rows ?? 0).Number(spec.Terminal?.Columns ?? 0).Number((int)Math.Min(spec.Timeout.TotalMilliseconds, int.MaxValue)).Text(spec.Tag).Map(spec.Surroundings);
        }, cancellationToken, held: true);
        var attaching = AttachAsync(spec.Key, 0, 0, cancellationToken);
        try
        {
            await starting;
            EngineMeter.Started();
        }
        catch
        {
            await ((Task)attaching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (attaching.IsCompletedSuccessfully)
                await (await attaching).DisposeAsync();
            throw;
        }
        try
        {
            return await attaching;
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.NotFound)
        {
            return await AttachAsync(spec.Key, 0, 0, cancellationToken); // a connection that was just being made has swapped the two
        }
    }

    /// <summary>Takes the output of a process from given offsets on, or from the oldest byte that is still there.</summary>
    /// <exception cref="AgentException">NotFound.</exception>
    public async Task<AgentProcess> AttachAsync(ProcessKey key, ulong stdoutFrom, ulong stderrFrom, CancellationToken cancellationToken)
    {
        var channel = await AgentChannel.AttachAsync(_connection, key, stdoutFrom, stderrFrom, cancellationToken);
        return new AgentProcess(_connection, channel);
    }

    /// <summary>Takes the output that comes from now on.</summary>
    /// <exception cref="AgentException">NotFound.</exception>
    public Task<AgentProcess> FollowAsync(ProcessKey key, CancellationToken cancellationToken) => AttachAsync(key, AgentChannel.FromNow, AgentChannel.FromNow, cancellationToken);

    /// <summary>Writes input of a process, without taking its output.</summary>
    /// <exception cref="AgentException">NotFound; FailedPrecondition: its input is closed, or it has ended.</exception>
    public async Task WriteInputAsync(ProcessKey key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        using var input = new AgentInput(_connection, key);
        await input.WriteAsync(bytes, cancellationToken);
    }

    /// <summary>The process reads the end of its input.</summary>
    /// <exception cref="AgentException">NotFound.</exception>
    public async Task CloseInputAsync(ProcessKey key, CancellationToken cancellationToken)
    {
        using var input = new AgentInput(_connection, key);
        await input.CloseAsync(cancellationToken);
    }

    /// <exception cref="AgentException">NotFound; FailedPrecondition: it has no terminal, or has ended.</exception>
    public Task ResizeAsync(ProcessKey key, TerminalSize size, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Resize, writer =>
        {
            key.Write(writer);
            writer.Number(size.Rows).Number(size.Columns);
        }, cancellationToken);

    /// <summary>Connects to a port of 127.0.0.1, or else of ::1, inside the guest.</summary>
    /// <exception cref="AgentException">FailedPrecondition: nothing listens there. InvalidArgument. Exhausted: 1024 streams are open.</exception>
    public async Task<AgentPortStream> OpenPortAsync(int port, CancellationToken cancellationToken)
    {
        var key = ProcessKey.New();
        await _connection.RequestAsync(MessageType.OpenPort, writer =>
        {
            key.Write(writer);
            writer.Number(port);
        }, cancellationToken);
        var channel = await AgentChannel.AttachAsync(_connection, key, 0, 0, cancellationToken);
        return new AgentPortStream(_connection, channel, $"Port {port} of {_subject}");
    }

    /// <summary>The processes that were started through the agent and not forgotten.</summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="environments">Whether with their environments, which may be long.</param>
    public async Task<IReadOnlyList<ProcessInfo>> ListProcessesAsync(CancellationToken cancellationToken, bool environments = false)
    {
        var answer = await _connection.RequestAsync(MessageType.ListProcesses, writer => writer.Flag(environments), cancellationToken);
        return Read(new WireReader(answer)) ?? throw _connection.Malformed(MessageType.ListProcesses);

        static List<ProcessInfo>? Read(WireReader reader)
        {
            var list = new List<ProcessInfo>();
            for (var count = reader.Count(); count > 0 && !reader.Failed; count--)
            {
                var key = ProcessKey.Read(reader.Raw(ProcessKey.Length));
                var (pid, argv, directory, user) = (reader.Int32(), reader.Texts(), reader.Text(), reader.Text());
                var started = DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(reader.Signed(), 0, 253402300799999));
                var (ended, code, signal) = (reader.Flag(), reader.Int32(), reader.Int32());
                list.Add(new ProcessInfo(key, pid, argv, directory, user, started, ended ? new ProcessExit(code, signal) : null, reader.Text(), reader.Flag(), reader.Map()));
            }
            return reader.Failed ? null : list;
        }
    }

    /// <summary>Frees what the guest keeps of a process that has ended.</summary>
    /// <exception cref="AgentException">NotFound; FailedPrecondition when it still runs.</exception>
    public Task ForgetAsync(ProcessKey key, CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.Forget, key.Write, cancellationToken);

    /// <summary>The same without waiting for it. Of what is lost with a connection the guest frees the oldest by itself.</summary>
    public void Forget(ProcessKey key)
    {
        var payload = new WireWriter();
        key.Write(payload);
        _connection.Post(_connection.NextId(), MessageType.Forget, payload);
    }

    /// <summary>Signals a process that was started through the agent.</summary>
    /// <exception cref="AgentException">NotFound; FailedPrecondition when it has ended.</exception>
    public Task SignalAsync(ProcessKey key, int signal, bool group, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Signal, writer =>
        {
            key.Write(writer);
            writer.Number(signal).Flag(group);
        }, cancellationToken);

    public async Task<GuestMetrics> GetMetricsAsync(CancellationToken cancellationToken)
    {
        var answer = await _connection.RequestAsync(MessageType.Metrics, _ => { }, cancellationToken);
        return Read(new WireReader(answer)) ?? throw _connection.Malformed(MessageType.Metrics);

        static GuestMetrics? Read(WireReader reader)
        {
            var metrics = new GuestMetrics(reader.Int32(), TimeSpan.FromMicroseconds(Bounded(reader.Number())), Bounded(reader.Number()), Bounded(reader.Number()),
                Bounded(reader.Number()), Bounded(reader.Number()), reader.Int32(), TimeSpan.FromMilliseconds(Bounded(reader.Number())), reader.Number() / 100.0, Bounded(reader.Number()));
            return reader.Failed ? null : metrics;
        }

        // a guest may say anything; times of more than 10,000 years do not fit a TimeSpan
        static long Bounded(ulong value) => (long)Math.Min(value, 1UL << 58);
    }

    /// <summary>Settles the guest before its machine is frozen as a template.</summary>
    public Task FreezeAsync(CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.Freeze, _ => { }, cancellationToken);

    /// <summary>Writes the guest's dirty file data to its disk.</summary>
    public Task SyncAsync(CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.Sync, _ => { }, cancellationToken);

    /// <param name="mode"><c>slirp</c> or <c>off</c>.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task ConfigureNetworkAsync(string mode, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.ConfigureNetwork, writer => writer.Text(mode), cancellationToken);

    /// <summary>Asks the guest to end; its machine's process ends soon after.</summary>
    public Task PowerOffAsync(CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.PowerOff, _ => { }, cancellationToken);

    /// <summary>The machine has ended: whoever waits gets an error now.</summary>
    public void Fail(Exception reason) => _connection.Fail(reason);

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}

/// <summary>What the guest's kernel says of its load. Sizes in bytes; <c>Load</c> is the average number of runnable tasks over the last minute; cached memory is available too.</summary>
public sealed record GuestMetrics(
    int CpuCount, TimeSpan CpuUsed, long MemoryTotalBytes, long MemoryAvailableBytes, long DiskTotalBytes, long DiskUsedBytes, int Processes, TimeSpan Uptime,
    double Load = 0, long MemoryCachedBytes = 0);
