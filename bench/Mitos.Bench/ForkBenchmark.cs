using System.Text.Json.Nodes;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.Bench;

/// <summary>Every figure that README publishes of forks. Quick runs have fewer samples, and say so by their counts.</summary>
internal sealed class ForkBenchmark(Bench bench, bool quick, Action<string> say)
{
    private readonly int _samples = quick ? 8 : 30;
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(500);
    private readonly JsonObject _figures = [];

    public async Task<JsonObject> RunAsync(int idleForks)
    {
        await CreateAsync();
        await BootAsync();
        var source = await bench.CreateAsync();
        await PausesAsync(source);
        await ChildrenAsync(source);
        await ByDeltaAsync();
        await ByMemoryAsync();
        await AtWorkingSetAsync();
        await GapAsync(source);
        await NaiveAsync(source);
        await bench.RemoveAsync(source);
        await IdleAsync(idleForks);
        return _figures;
    }

    private async Task CreateAsync()
    {
        say("create");
        var (create, first, exec, ping, inside) = (new Samples(), new Samples(), new Samples(), new Samples(), new Samples());
        for (var i = 0; i < _samples; i++)
        {
            SandboxId id = default;
            create.Add(await Bench.TimeMsAsync(async () => id = await bench.CreateAsync()));
            first.Add(await Bench.TimeMsAsync(() => bench.RunAsync(id, "/bin/true")));
            for (var j = 0; j < 10; j++)
            {
                exec.Add(await Bench.TimeMsAsync(() => bench.RunAsync(id, "/bin/true")));
                ping.Add(await Bench.TimeMsAsync(() => bench.Sandboxes.Agent(id).PingAsync(bench.Ending)));
            }
            if (i == 0)
                await SpawnInsideAsync(id, inside);
            await bench.RemoveAsync(id);
        }
        _figures["createMs"] = create.ToJson();
        _figures["firstExecMs"] = first.ToJson();
        _figures["execRoundTripMs"] = exec.ToJson();
        _figures["agentRoundTripMs"] = ping.ToJson();
        _figures["spawnInsideGuestMs"] = inside.ToJson();
    }

    // What the same command costs a program in the guest: the part of an exec that is not ours.
    private async Task SpawnInsideAsync(SandboxId id, Samples samples)
    {
        const string Spawn = "import os,time\nfor i in range(30):\n t=time.perf_counter();os.waitpid(os.posix_spawn('/bin/true',['true'],{}),0);print((time.perf_counter()-t)*1000)";
        foreach (var line in (await bench.RunAsync(id, "python3", "-c", Spawn)).Split('\n'))
            samples.Add(double.Parse(line, System.Globalization.CultureInfo.InvariantCulture));
    }

    // From nothing to the first command: a shape that has no generation yet is booted.
    private async Task BootAsync()
    {
        say("cold boot");
        var boot = new Samples();
        for (var i = 0; i < (quick ? 1 : 10); i++)
        {
            var memoryMiB = 520 + i;
            boot.Add(await ColdBoot.RunAsync(bench, memoryMiB));
        }
        _figures["coldBootMs"] = boot.ToJson();
    }

    private async Task PausesAsync(SandboxId source)
    {
        say("pauses");
        var (pause, delta, ready, first, usable, own, vmm, shared) = (new Samples(), new Samples(), new Samples(), new Samples(), new Samples(), new Samples(), new Samples(), new Samples());
        var steps = new Dictionary<string, Samples>();
        for (var i = 0; i < _samples; i++)
        {
            ForkResult fork = null!;
            var forked = await Bench.TimeMsAsync(async () => fork = await bench.ForkAsync(source, 1));
            pause.Add(fork.Timings.Pause.TotalMicroseconds);
            delta.Add(fork.Timings.DeltaBytes / 1048576.0);
            ready.Add(fork.Children[0].Ready.TotalMilliseconds);
            Step("prepareMs", fork.Timings.Prepare);
            Step("stopMs", fork.Timings.Stop);
            Step("freezeDiskMs", fork.Timings.FreezeDisk);
            Step("saveStateMs", fork.Timings.DeviceState);
            Step("listMs", fork.Timings.List);
            Step("copyMs", fork.Timings.Copy);
            Step("resumeMs", fork.Timings.Resume);
            var birth = fork.Children[0].Timings!;
            Step("shellMs", birth.Shell);
            Step("setDiskMs", birth.Disk);
            Step("writeMemoryMs", birth.Memory);
            Step("loadStateMs", birth.DeviceState);
            Step("greetingMs", birth.Greeting);
            Step("handshakeMs", birth.Handshake);
            var id = fork.Children[0].Sandbox!.Id;
            var memory = bench.Sandboxes.ReadMemory(id);
            own.Add(memory.PrivateBytes / 1048576.0);
            vmm.Add(memory.VmmBytes / 1048576.0);
            shared.Add(memory.SharedBytes / 1048576.0);
            var ran = await Bench.TimeMsAsync(() => bench.RunAsync(id, "/bin/true"));
            first.Add(ran);
            usable.Add(forked + ran);
            await bench.RemoveAsync(fork);
            await Task.Delay(100, bench.Ending); // the pool of shells fills up again
        }
        _figures["forkToFirstCommandMs"] = usable.ToJson();
        _figures["pauseUs"] = pause.ToJson();
        _figures["deltaMiB"] = delta.ToJson();
        _figures["childReadyMs"] = new JsonObject { ["1"] = ready.ToJson() };
        _figures["firstExecInChildMs"] = first.ToJson();
        _figures["privateMiB"] = own.ToJson();
        _figures["vmmMiB"] = vmm.ToJson();
        _figures["sharedMiB"] = shared.ToJson();
        _figures["steps"] = new JsonObject([.. steps.Select(step => KeyValuePair.Create(step.Key, (JsonNode?)step.Value.ToJson()))]);

        void Step(string name, TimeSpan time)
        {
            if (!steps.TryGetValue(name, out var samples))
                steps[name] = samples = new Samples();
            samples.Add(time.TotalMilliseconds);
        }
    }

    private async Task ChildrenAsync(SandboxId source)
    {
        foreach (var count in new[] { 8, 32 })
        {
            say($"{count} children");
            var (last, rate) = (new Samples(), new Samples());
            for (var i = 0; i < (quick ? 2 : count == 8 ? 30 : 10); i++)
            {
                await Task.Delay(Rest, bench.Ending);
                var fork = await bench.ForkAsync(source, count);
                last.Add(fork.Children.Max(child => child.Ready.TotalMilliseconds));
                rate.Add(count / fork.Timings.Total.TotalSeconds);
                await bench.RemoveAsync(fork);
            }
            ((JsonObject)_figures["childReadyMs"]!)[$"{count}"] = last.ToJson();
            if (count == 32)
                _figures["forksPerSecond"] = rate.ToJson();
        }
    }

    private async Task ByDeltaAsync()
    {
        var byDelta = new JsonObject();
        foreach (var deltaMiB in new[] { 1, 8, 64, 256 })
        {
            say($"pause at {deltaMiB} MiB of delta");
            var source = await bench.CreateAsync();
            if (deltaMiB > 1)
                await bench.RunAsync(source, "/bin/sh", "-c", $"mount -o remount,size=90% /dev/shm && head -c {deltaMiB - 2}M /dev/urandom > /dev/shm/delta");
            byDelta[$"{deltaMiB}"] = await PauseAsync(source);
            await bench.RemoveAsync(source);
        }
        _figures["pauseUsByDeltaMiB"] = byDelta;
    }

    private async Task ByMemoryAsync()
    {
        var byMemory = new JsonObject();
        foreach (var memoryMiB in new[] { 256, 1024, 4096 })
        {
            say($"pause at {memoryMiB} MiB of memory, 8 MiB of delta");
            var source = await bench.CreateAsync(memoryMiB);
            await bench.RunAsync(source, "/bin/sh", "-c", "head -c 6M /dev/urandom > /dev/shm/delta");
            byMemory[$"{memoryMiB}"] = await PauseAsync(source);
            await bench.RemoveAsync(source);
        }
        _figures["pauseUsByRamMiB"] = byMemory;
    }

    // A source that has all of a large working set mapped and little of it for itself, as a child has that shares an image of it with
    // its siblings. Of one that made the set itself each fork copies it in the pause: that is what the figures by delta are of.
    private async Task AtWorkingSetAsync()
    {
        var setMiB = quick ? 512 : 4096;
        say($"pause at {setMiB} MiB of working set");
        var maker = await bench.CreateAsync(setMiB + 1024);
        await bench.RunAsync(maker, "mount", "-o", "remount,size=95%", "/dev/shm");
        await bench.RunAsync(maker, "python3", "-c", $"import os\nblock=os.urandom(1<<20)\nwith open('/dev/shm/set','wb',0) as file:\n for n in range({setMiB}): file.write(n.to_bytes(8,'big')+block[8:])");
        var fork = await bench.ForkAsync(maker, 2); // one child would get a copy; two share an image
        var source = fork.Children[0].Sandbox!.Id;
        await bench.RemoveAsync(fork.Children[1].Sandbox!.Id);
        await bench.RemoveAsync(maker);
        await bench.RunAsync(source, "/bin/sh", "-c", "cat /dev/shm/set > /dev/null");
        var pause = await PauseAsync(source, quick ? 10 : 100);
        pause["workingSetMiB"] = setMiB;
        pause["sharedMiB"] = bench.Sandboxes.ReadMemory(source).SharedBytes >> 20; // of the image, mapped
        _figures["pauseUsAtWorkingSet"] = pause;
        await bench.RemoveAsync(source);
    }

    private Task<JsonObject> PauseAsync(SandboxId source) => PauseAsync(source, quick ? 3 : _samples);

    // With the delta that there really was: the guest itself changes two MiB or so.
    private async Task<JsonObject> PauseAsync(SandboxId source, int forks)
    {
        var (pause, delta) = (new Samples(), new Samples());
        for (var i = 0; i < forks; i++)
        {
            var fork = await bench.ForkAsync(source, 1);
            pause.Add(fork.Timings.Pause.TotalMicroseconds);
            delta.Add(fork.Timings.DeltaBytes / 1048576.0);
            await bench.RemoveAsync(fork);
        }
        var json = pause.ToJson();
        json["deltaMiB"] = Math.Round(delta.Median, 2);
        return json;
    }

    // The longest stall that a clock of 1 kHz in the source sees while it is forked.
    private async Task GapAsync(SandboxId source)
    {
        say("stalls seen inside");
        const string Clock = "import time\nlast=time.monotonic();worst=0\nend=last+12\nwhile last<end:\n time.sleep(0.001)\n now=time.monotonic();worst=max(worst,now-last);last=now\nprint(worst*1000)";
        var (forked, quiet) = (new Samples(), new Samples());
        for (var i = 0; i < (quick ? 1 : 3); i++)
        {
            quiet.Add(double.Parse(await bench.RunAsync(source, "python3", "-c", Clock), System.Globalization.CultureInfo.InvariantCulture));
            var clock = bench.RunAsync(source, "python3", "-c", Clock);
            while (!clock.IsCompleted)
            {
                await bench.RemoveAsync(await bench.ForkAsync(source, 1));
                await Task.Delay(500, bench.Ending);
            }
            forked.Add(double.Parse(await clock, System.Globalization.CultureInfo.InvariantCulture));
        }
        _figures["maxGapMs"] = forked.ToJson();
        _figures["maxGapWithoutForksMs"] = quiet.ToJson();
    }

    private async Task NaiveAsync(SandboxId source)
    {
        say("naive baseline");
        var (pause, first, ours) = (new Samples(), new Samples(), new Samples());
        for (var i = 0; i < (quick ? 2 : 8); i++)
        {
            var (pauseMs, firstMs) = await new NaiveBaseline(bench).RunAsync(source);
            pause.Add(pauseMs);
            first.Add(firstMs);
            await Task.Delay(Rest, bench.Ending); // the end of the naive child is not the fork's to pay
            ForkResult? fork = null;
            ours.Add(await Bench.TimeMsAsync(async () =>
            {
                fork = await bench.ForkAsync(source, 1);
                await bench.RunAsync(fork.Children[0].Sandbox!.Id, "/bin/true");
            }));
            await bench.RemoveAsync(fork!);
            await Task.Delay(Rest, bench.Ending);
        }
        _figures["naive"] = new JsonObject { ["pauseMs"] = pause.ToJson(), ["firstCommandMs"] = first.ToJson(), ["forkToFirstCommandMs"] = ours.ToJson() };
    }

    private async Task IdleAsync(int count)
    {
        var source = await bench.CreateAsync();
        say($"{count} idle forks");
        var held = new List<SandboxId>();
        var before = await RestingMemoryMiBAsync();
        while (held.Count < count)
            held.AddRange((await bench.ForkAsync(source, Math.Min(50, count - held.Count))).Children.Select(child => child.Sandbox!.Id));
        await Task.Delay(5000, bench.Ending);
        var cpu = held.Sum(id => bench.Sandboxes.ReadCpuTime(id).TotalSeconds);
        var seconds = quick ? 5 : 30;
        await Task.Delay(seconds * 1000, bench.Ending);
        cpu = held.Sum(id => bench.Sandboxes.ReadCpuTime(id).TotalSeconds) - cpu;
        var memory = held.Select(bench.Sandboxes.ReadMemory).ToList();
        _figures["idleForks"] = new JsonObject
        {
            ["count"] = count,
            ["hostMemoryMiB"] = before - MemoryAvailableMiB(),
            ["privateMiB"] = memory.Sum(one => one.PrivateBytes) >> 20,
            ["vmmMiB"] = memory.Sum(one => one.VmmBytes) >> 20,
            ["cpuPercentOfACoreEach"] = Math.Round(cpu / seconds / count * 100, 4),
        };
        await Parallel.ForEachAsync(held, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (id, _) => await bench.RemoveAsync(id));
        await bench.RemoveAsync(source);
    }

    // What the benchmarks before have let go may still be on its way back to the host.
    private async Task<long> RestingMemoryMiBAsync()
    {
        GC.Collect();
        var (before, steady) = (MemoryAvailableMiB(), 0);
        for (var i = 0; i < 60 && steady < 3; i++)
        {
            await Task.Delay(1000, bench.Ending);
            var now = MemoryAvailableMiB();
            steady = Math.Abs(now - before) < 8 ? steady + 1 : 0;
            before = now;
        }
        return before;
    }

    private static long MemoryAvailableMiB() => Mitos.Engine.Capacity.HostCapacity.ReadMemoryAvailable() >> 20;
}
