using System.Threading.Channels;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>A change of a file in a guest.</summary>
/// <param name="Kind">What happened. <see cref="FileEventKind.Overflow"/>: events were lost, look at everything anew.</param>
/// <param name="Path">Absolute; of a move, the new one.</param>
/// <param name="From">Of a move, the old path; else empty.</param>
public sealed record FileEvent(FileEventKind Kind, string Path, string From);

/// <summary>
/// Changes below a path. A break of the connection, or a consumer that is far too slow, is told as an
/// <see cref="FileEventKind.Overflow"/>. What happens in a new directory right after it was made may be told twice.
/// </summary>
public sealed class FileWatch : IAsyncEnumerable<FileEvent>, IAsyncDisposable, ISubscriber
{
    private const int MaxWaiting = 4096;
    private readonly AgentConnection _connection;
    private readonly byte[] _request;
    private readonly uint _id;
    private readonly Channel<FileEvent> _events = Channel.CreateBounded<FileEvent>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private string _path = "";
    private int _overflow;

    private FileWatch(AgentConnection connection, byte[] request) => (_connection, _request, _id) = (connection, request, connection.NextId());

    MessageType ISubscriber.Type => MessageType.Watch;

    /// <summary>The events, until the watch is disposed. One consumer.</summary>
    /// <exception cref="AgentException">The machine is gone, or the path is.</exception>
    public async IAsyncEnumerator<FileEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        await foreach (var next in _events.Reader.ReadAllAsync(cancellationToken))
        {
            yield return next;
            if (Interlocked.Exchange(ref _overflow, 0) != 0)
                yield return new FileEvent(FileEventKind.Overflow, _path, "");
        }
    }

    public ValueTask DisposeAsync()
    {
        _connection.Unsubscribe(_id);
        _events.Writer.TryComplete();
        _connection.Post(_connection.NextId(), MessageType.Unwatch, new WireWriter().Number((int)_id));
        return ValueTask.CompletedTask;
    }

    internal static async Task<FileWatch> StartAsync(AgentConnection connection, string path, bool recursive, string user, bool asRoot, CancellationToken cancellationToken)
    {
        var request = new WireWriter().Text(user).Flag(asRoot).Text(path).Flag(recursive).Written.ToArray();
        var watch = new FileWatch(connection, request);
        connection.Subscribe(watch._id, watch);
        try
        {
            var answer = await connection.RequestAsync(MessageType.Watch, writer => writer.Raw(request), cancellationToken, watch._id);
            watch._path = new WireReader(answer).Text();
            return watch;
        }
        catch
        {
            await watch.DisposeAsync();
            throw;
        }
    }

    byte[] ISubscriber.Subscribe() => _request;

    void ISubscriber.OnReconnected() => Tell(new FileEvent(FileEventKind.Overflow, _path, ""));

    bool ISubscriber.OnFrame(MessageType type, byte[] payload)
    {
        var reader = new WireReader(payload);
        for (var count = reader.Count(); count > 0; count--)
        {
            var next = new FileEvent((FileEventKind)reader.Int32(), reader.Text(), reader.Text());
            if (reader.Failed || !Enum.IsDefined(next.Kind))
                return false;
            Tell(next);
        }
        return !reader.Failed;
    }

    void ISubscriber.OnLost(AgentException reason) => _events.Writer.TryComplete(reason);

    private void Tell(FileEvent next)
    {
        if (!_events.Writer.TryWrite(next))
            Interlocked.Exchange(ref _overflow, 1);
    }
}
