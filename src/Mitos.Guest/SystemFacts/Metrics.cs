using System.Globalization;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.SystemFacts;

/// <summary>What the guest's kernel says of its load.</summary>
internal static class Metrics
{
    public static void Write(WireWriter reply)
    {
        var memory = File.ReadAllLines("/proc/meminfo");
        var drive = new DriveInfo("/");
        reply.Number(Environment.ProcessorCount).Number(CpuUsedUs())
            .Number(Kilobytes(memory, "MemTotal:") << 10).Number(Kilobytes(memory, "MemAvailable:") << 10)
            .Number((ulong)drive.TotalSize).Number((ulong)(drive.TotalSize - drive.TotalFreeSpace))
            .Number(ProcessCount()).Number((ulong)Environment.TickCount64).Number(LoadHundredths())
            .Number((Kilobytes(memory, "Cached:") + Kilobytes(memory, "Buffers:")) << 10);
    }

    // Average number of runnable tasks over the last minute, in hundredths: /proc/loadavg says for example 0.42.
    private static ulong LoadHundredths()
    {
        var text = File.ReadAllText("/proc/loadavg");
        return (ulong)(decimal.Parse(text.AsSpan(0, text.IndexOf(' ')), CultureInfo.InvariantCulture) * 100);
    }

    // The first line of /proc/stat: user nice system idle iowait irq softirq ..., in ticks of 10 ms.
    private static ulong CpuUsedUs()
    {
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        ulong ticks = 0;
        foreach (var index in (int[])[1, 2, 3, 6, 7])
            ticks += ulong.Parse(fields[index], CultureInfo.InvariantCulture);
        return ticks * 10_000;
    }

    private static ulong Kilobytes(string[] lines, string name)
    {
        var line = Array.Find(lines, line => line.StartsWith(name, StringComparison.Ordinal));
        return line is null ? 0 : ulong.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    private static int ProcessCount()
    {
        var count = 0;
        foreach (var path in Directory.EnumerateDirectories("/proc"))
            count += char.IsAsciiDigit(path[6]) ? 1 : 0;
        return count;
    }
}
