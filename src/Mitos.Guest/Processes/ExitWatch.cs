using Mitos.Guest.Loop;
using Mitos.Guest.Streams;

namespace Mitos.Guest.Processes;

/// <summary>
/// Decides when the output of a process that has exited is complete. What it wrote is in the pipes by then; but processes that
/// it left behind may hold the pipes open, or write for ever. So: at the end of the pipes; or after 100 ms of quiet with nothing left
/// to read, which lets the rest of a pipeline finish; or after 1 s, when all that was in the pipes at the exit has been read.
/// </summary>
internal sealed class ExitWatch(EventLoop loop, Action changed)
{
    private const int QuietMs = 100, PatienceMs = 1000;
    private readonly ulong[] _complete = new ulong[2];
    private long _exitMs;
    private bool _exited, _timing;

    public OutputChannel[] Outputs { get; set; } = [];

    /// <summary>It has exited and its output is complete.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The process was reaped.</summary>
    public void Begin()
    {
        (_exited, _exitMs) = (true, Environment.TickCount64);
        for (var i = 0; i < Outputs.Length; i++)
            _complete[i] = Outputs[i].Ring.End + (ulong)Outputs[i].Waiting;
        Consider();
    }

    public void OnOutput()
    {
        if (_exited && Array.TrueForAll(Outputs, output => output.Ended))
            Finish();
        else
            changed();
    }

    /// <summary>A paused output may be read again.</summary>
    public void OnRoom()
    {
        if (_exited && !IsOver && !_timing)
            Consider();
    }

    private void Consider()
    {
        _timing = false;
        var now = Environment.TickCount64;
        long lastRead = _exitMs;
        var (ended, paused, complete, waiting) = (true, false, true, false);
        for (var i = 0; i < Outputs.Length; i++)
        {
            var output = Outputs[i];
            ended &= output.Ended;
            paused |= output.IsPaused;
            waiting |= !output.Ended && output.Waiting > 0; // the loop may have stood still for longer than the quiet lasts
            complete &= output.Ended || output.Ring.End >= _complete[i];
            lastRead = Math.Max(lastRead, output.LastReadMs);
        }
        if (ended || (!paused && !waiting && now - lastRead >= QuietMs) || (complete && now - _exitMs >= PatienceMs))
        {
            Finish();
        }
        else if (!paused || complete)
        {
            _timing = true;
            loop.After(QuietMs, Consider);
        }
    }

    private void Finish()
    {
        if (IsOver)
            return;
        IsOver = true;
        foreach (var output in Outputs)
            output.Discard();
        changed();
    }
}
