using System.Collections.Concurrent;

namespace Mitos.Guest.Files;

/// <summary>One thread for file operations, which may block; started at the first.</summary>
internal sealed class FileWorker
{
    private readonly BlockingCollection<Action> _work = [];
    private bool _started;

    public void Run(Action action)
    {
        if (!_started)
        {
            _started = true;
            new Thread(() =>
            {
                foreach (var next in _work.GetConsumingEnumerable())
                    next(); // catches what goes wrong in it
            }, 256 << 10)
            { IsBackground = true }.Start();
        }
        _work.Add(action);
    }
}
