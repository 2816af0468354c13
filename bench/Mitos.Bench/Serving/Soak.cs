using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Mitos.Bench.Serving;

/// <summary>
/// Many clients do random things to sandboxes of theirs for some time, and check every answer against what they know: files on disk and
/// in memory, of sandboxes and of their forks, across pauses. At the end nothing may be left, nor the daemon have grown.
/// </summary>
internal sealed class Soak(DaemonUnderTest daemon, int clients, Action<string> say)
{
    private const int MaxOwned = 3, MaxReports = 20;
    private const double MaxGrowth = 1.15; // of the daemon's memory, from the first quarter of the run to the last
    private const string Describe = "cat /root/disk 2>/dev/null; echo -; cat /dev/shm/memory 2>/dev/null; echo -; sha256sum < /root/file 2>/dev/null | cut -c1-64";
    private static readonly TimeSpan WarmUp = TimeSpan.FromMinutes(2);
    private static readonly string[] Kinds = ["exec", "exec", "exec", "write", "write", "read", "read", "fork", "pause", "snapshot", "kill"];
    private readonly ConcurrentDictionary<string, Samples> _times = new();
    private readonly ConcurrentQueue<string> _wrong = new();
    private int _checked;

    /// <returns>What happened; <c>ok</c> says whether all was right.</returns>
    public async Task<JsonObject> RunAsync(TimeSpan time)
    {
        await WarmAsync();
        var before = await SettleAsync(null);
        using var client = new E2BClient(daemon);
        var residents = new List<long>();
        var until = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        var working = Task.WhenAll(Enumerable.Range(0, clients).Select(number => Task.Run(() => WorkAsync(client, new Random(number), until))));
        for (var minute = 1; !working.IsCompleted; minute++)
        {
            await Task.WhenAny(working, Task.Delay(TimeSpan.FromMinutes(1)));
            var now = DaemonFootprint.Read(daemon);
            residents.Add(now.ResidentMiB);
            say($"{minute} min: {_checked} answers checked, {_wrong.Count} wrong, daemon {now.ResidentMiB} MiB, {now.Descriptors} descriptors");
        }
        await working;
        client.Dispose(); // or its idle connections, more than there were at first, would be counted as the daemon's
        var after = await SettleAsync(before);
        var (early, late) = (Quarter(residents, 0), Quarter(residents, 3));
        var ok = _wrong.IsEmpty && !Grown(before, after) && late <= early * MaxGrowth;
        return new JsonObject
        {
            ["ok"] = ok,
            ["minutes"] = time.TotalMinutes,
            ["clients"] = clients,
            ["answersChecked"] = _checked,
            ["wrongAnswers"] = _wrong.Count,
            ["firstWrong"] = new JsonArray([.. _wrong.Take(MaxReports).Select(text => (JsonNode)text)]),
            ["before"] = before.ToJson(),
            ["after"] = after.ToJson(),
            ["daemonMiBByMinute"] = new JsonArray([.. residents.Select(resident => (JsonNode)resident)]),
            ["daemonMiBOfFirstQuarter"] = early,
            ["daemonMiBOfLastQuarter"] = late,
            ["operations"] = new JsonObject([.. _times.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value.Summary()))]),
        };
    }

    // What is made once (compiled code, shells, connections, pools) is no leak: before anything is counted all clients work for a while.
    private async Task WarmAsync()
    {
        say($"warming up for {WarmUp.TotalMinutes:F0} min");
        using var client = new E2BClient(daemon);
        var until = Stopwatch.GetTimestamp() + (long)(WarmUp.TotalSeconds * Stopwatch.Frequency);
        await Task.WhenAll(Enumerable.Range(0, clients).Select(number => Task.Run(() => WorkAsync(client, new Random(-number - 1), until))));
        _times.Clear();
        _checked = 0;
    }

    private async Task WorkAsync(E2BClient client, Random random, long until)
    {
        var own = new List<Known>();
        while (Stopwatch.GetTimestamp() < until)
        {
            try
            {
                if (own.Count == 0 || (own.Count < MaxOwned && random.Next(8) == 0))
                    own.Add(new Known(await TimeAsync("create", client.CreateAsync("base"))));
                else
                    await StepAsync(client, random, own);
            }
            catch (Exception e) when (!daemon.Ending.IsCancellationRequested && e is WrongAnswerException or HttpRequestException or IOException or TaskCanceledException)
            {
                _wrong.Enqueue($"{e.GetType().Name}: {e.Message}");
                own.Clear(); // what is known of them may be wrong; they are removed at the end
            }
        }
        foreach (var known in own)
            await client.KillAsync(known.Sandbox.Id);
    }

    private async Task StepAsync(E2BClient client, Random random, List<Known> own)
    {
        var known = own[random.Next(own.Count)];
        switch (Kinds[random.Next(Kinds.Length)])
        {
            case "exec":
                Check(known.Describe(), await TimeAsync("exec", client.RunAsync(known.Sandbox, Describe)), known);
                break;
            case "write":
                known.Disk = Word(random);
                known.Memory = Word(random);
                await TimeAsync("write", client.RunAsync(known.Sandbox, $"echo {known.Disk} > /root/disk; echo {known.Memory} > /dev/shm/memory"));
                break;
            case "read":
                var content = RandomNumberGenerator.GetBytes(random.Next(1, 200_000));
                await TimeAsync("upload", client.WriteFileAsync(known.Sandbox, "/root/file", content));
                known.File = content;
                Check(Convert.ToHexString(content), Convert.ToHexString(await TimeAsync("download", client.ReadFileAsync(known.Sandbox, "/root/file"))), known);
                break;
            case "fork":
                var children = await TimeAsync("fork", client.ForkAsync(known.Sandbox.Id, random.Next(1, 4)));
                foreach (var child in children.Skip(MaxOwned - own.Count))
                    await TimeAsync("kill", client.KillAsync(child.Id));
                own.AddRange(children.Take(Math.Max(0, MaxOwned - own.Count)).Select(child => known with { Sandbox = child }));
                break;
            case "pause":
                await TimeAsync("pause", client.PauseAsync(known.Sandbox.Id));
                Check(known.Sandbox.Id, (await TimeAsync("resume", client.ResumeAsync(known.Sandbox.Id))).Id, known);
                break;
            case "snapshot":
                var snapshot = await TimeAsync("snapshot", client.SnapshotAsync(known.Sandbox.Id));
                var restored = known with { Sandbox = await TimeAsync("create of it", client.CreateAsync(snapshot)) };
                Check(known.Describe(), await TimeAsync("exec", client.RunAsync(restored.Sandbox, Describe)), restored);
                await TimeAsync("kill", client.KillAsync(restored.Sandbox.Id));
                await TimeAsync("remove snapshot", client.RemoveSnapshotAsync(snapshot));
                break;
            case "kill":
                own.Remove(known);
                await TimeAsync("kill", client.KillAsync(known.Sandbox.Id));
                break;
        }
    }

    private void Check(string expected, string got, Known known)
    {
        Interlocked.Increment(ref _checked);
        if (expected != got)
            throw new WrongAnswerException($"sandbox {known.Sandbox.Id} says '{(got.Length < 200 ? got : got[..200])}' instead of '{(expected.Length < 200 ? expected : expected[..200])}'");
    }

    /// <param name="before">What it should be no more than; null: nothing to compare with yet.</param>
    private async Task<DaemonFootprint> SettleAsync(DaemonFootprint? before)
    {
        await daemon.MitosAsync("rm", "--all");
        await Task.Delay(10_000, daemon.Ending);
        var now = DaemonFootprint.Read(daemon);
        for (var i = 0; i < 30 && before is not null && Grown(before, now); i++)
        {
            await Task.Delay(1000, daemon.Ending);
            now = DaemonFootprint.Read(daemon);
        }
        return now;
    }

    private bool Grown(DaemonFootprint before, DaemonFootprint now) =>
        now.Descriptors > before.Descriptors + clients || now.Children > before.Children || now.Machines > before.Machines || now.Layers > before.Layers || now.Snapshots > 0;

    private static double Quarter(List<long> samples, int quarter)
    {
        var sorted = samples.Skip(samples.Count * quarter / 4).Take(Math.Max(1, samples.Count / 4)).Order().ToList();
        return sorted[sorted.Count / 2];
    }

    private async Task<T> TimeAsync<T>(string what, Task<T> action)
    {
        var started = Stopwatch.GetTimestamp();
        var result = await action;
        Count(what, started);
        return result;
    }

    private async Task TimeAsync(string what, Task action)
    {
        var started = Stopwatch.GetTimestamp();
        await action;
        Count(what, started);
    }

    private void Count(string what, long started)
    {
        var samples = _times.GetOrAdd(what, _ => new Samples());
        lock (samples)
            samples.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
    }

    private static string Word(Random random) => random.NextInt64().ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>What a client knows of a sandbox.</summary>
    private sealed record Known(RemoteSandbox Sandbox)
    {
        public string Disk { get; set; } = "";

        public string Memory { get; set; } = "";

        public byte[]? File { get; set; }

        public string Describe()
        {
            var text = new StringBuilder();
            text.Append(Disk.Length > 0 ? Disk + "\n" : "").Append("-\n").Append(Memory.Length > 0 ? Memory + "\n" : "").Append("-\n");
            return text.Append(File is null ? "" : Convert.ToHexStringLower(SHA256.HashData(File))).ToString().Trim();
        }
    }
}
