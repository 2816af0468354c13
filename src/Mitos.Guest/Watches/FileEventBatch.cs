using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Watches;

/// <summary>Collects events of watches and sends those of one watch together.</summary>
internal sealed class FileEventBatch(Session session)
{
    private const int MaxBytes = 24 << 10;
    private readonly WireWriter _events = new();
    private uint _watch;
    private int _count;

    /// <param name="watch">Whose event.</param>
    /// <param name="kind">What happened.</param>
    /// <param name="path">Absolute; for a move the new one.</param>
    /// <param name="from">For a move: the old path.</param>
    public void Add(FileWatch watch, FileEventKind kind, string path, string from = "")
    {
        if (watch.Id != _watch || _events.Written.Length > MaxBytes)
            Flush();
        _watch = watch.Id;
        _events.Number((int)kind).Text(path).Text(from);
        _count++;
    }

    public void Flush()
    {
        if (_count > 0 && session.IsOpen)
        {
            session.Begin().Number(_count).Raw(_events.Written);
            session.Send(_watch, MessageType.FileEvents);
        }
        _count = 0;
        _events.Clear();
    }
}
