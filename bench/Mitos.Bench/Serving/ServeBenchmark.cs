using System.Text.Json.Nodes;

namespace Mitos.Bench.Serving;

/// <summary>What the server adds to the engine: E2B's routes on a real daemon.</summary>
internal sealed class ServeBenchmark(DaemonUnderTest daemon, bool quick, Action<string> say)
{
    private readonly JsonObject _figures = [];
    private E2BClient _client = new(daemon);

    /// <param name="paused">How many paused sandboxes are listed.</param>
    public async Task<JsonObject> RunAsync(int paused)
    {
        await CreateAsync();
        await ExecAsync();
        await PauseAsync();
        await ForkAsync(quick ? 10 : 100);
        await HoldAsync(50);
        await ListAsync(paused);
        _client.Dispose();
        return _figures;
    }

    private async Task CreateAsync()
    {
        say("create");
        var (create, first) = (new Samples(), new Samples());
        for (var i = 0; i < (quick ? 5 : 30); i++)
        {
            RemoteSandbox? made = null;
            create.Add(await Bench.TimeMsAsync(async () => made = await _client.CreateAsync()));
            first.Add(await Bench.TimeMsAsync(() => _client.RunAsync(made!, "true")));
            await _client.KillAsync(made!.Id);
            await Task.Delay(300); // the pool of shells fills up again
        }
        _figures["createMs"] = create.ToJson();
        _figures["firstExecMs"] = first.ToJson();
    }

    // In turn, so that both see the same machine.
    private async Task ExecAsync()
    {
        say("exec over both routes");
        var sandbox = await _client.CreateAsync();
        await _client.RunAsync(sandbox, "true");
        var (e2b, native) = (new Samples(), new Samples());
        for (var i = 0; i < (quick ? 20 : 200); i++)
        {
            e2b.Add(await Bench.TimeMsAsync(() => _client.RunAsync(sandbox, "true")));
            native.Add(await Bench.TimeMsAsync(() => _client.RunNativelyAsync(sandbox.Id, "true")));
        }
        await _client.KillAsync(sandbox.Id);
        _figures["execE2BMs"] = e2b.ToJson();
        _figures["execNativeMs"] = native.ToJson();
        _figures["execE2BAddsMs"] = Math.Round(e2b.Median - native.Median, 3);
    }

    private async Task PauseAsync()
    {
        say("pause and resume of 64 MiB of delta");
        var sandbox = await _client.CreateAsync();
        await _client.RunAsync(sandbox, "head -c 62M /dev/urandom > /dev/shm/delta");
        var (pause, resume) = (new Samples(), new Samples());
        for (var i = 0; i < (quick ? 3 : 15); i++)
        {
            pause.Add(await Bench.TimeMsAsync(() => _client.PauseAsync(sandbox.Id)));
            await Task.Delay(300);
            resume.Add(await Bench.TimeMsAsync(async () => sandbox = await _client.ResumeAsync(sandbox.Id)));
        }
        await _client.KillAsync(sandbox.Id);
        _figures["pauseMs64MiB"] = pause.ToJson();
        _figures["resumeMs64MiB"] = resume.ToJson();
    }

    private async Task ForkAsync(int count)
    {
        say($"{count} children of one fork, each used");
        var source = await _client.CreateAsync();
        await _client.RunAsync(source, "true");
        var (ready, usable) = (new Samples(), new Samples());
        for (var i = 0; i < (quick ? 1 : 3); i++)
        {
            List<RemoteSandbox> children = [];
            var forked = await Bench.TimeMsAsync(async () => children = await _client.ForkAsync(source.Id, count));
            ready.Add(forked);
            usable.Add(forked + await Bench.TimeMsAsync(() => EachAsync(children, 8, child => _client.RunAsync(child, "true"))));
            await EachAsync(children, 4, child => _client.KillAsync(child.Id));
        }
        await _client.KillAsync(source.Id);
        _figures["children"] = new JsonObject { ["count"] = count, ["forkMs"] = ready.ToJson(), ["usableMs"] = usable.ToJson() };
    }

    private async Task HoldAsync(int count)
    {
        say($"{count} commands at once");
        var sandbox = await _client.CreateAsync();
        var at = 0;
        var elapsed = await Bench.TimeMsAsync(() => Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            var word = $"word-{Interlocked.Increment(ref at)}";
            var printed = await _client.RunAsync(sandbox, $"sleep 2; echo {word}");
            if (printed != word)
                throw new WrongAnswerException($"a command printed '{printed}' instead of '{word}'");
        })));
        await _client.KillAsync(sandbox.Id);
        _figures["concurrentExecs"] = new JsonObject { ["count"] = count, ["errors"] = 0, ["ms"] = Math.Round(elapsed) };
    }

    private async Task ListAsync(int count)
    {
        say($"{count} paused sandboxes");
        await new PausedSandboxes(daemon, _client).MakeAsync(count);
        _client.Dispose();
        _client = new E2BClient(daemon);
        await _client.ListAsync("limit=100&state=paused");
        var page = new Samples();
        for (var i = 0; i < (quick ? 10 : 60); i++)
        {
            var got = 0;
            page.Add(await Bench.TimeMsAsync(async () => got = await _client.ListAsync("limit=100&state=paused")));
            if (got != Math.Min(100, count))
                throw new WrongAnswerException($"a page has {got} sandboxes");
        }
        _figures["list"] = new JsonObject { ["paused"] = count, ["pageOf100Ms"] = page.ToJson() };
    }

    private static Task EachAsync(List<RemoteSandbox> sandboxes, int atOnce, Func<RemoteSandbox, Task> action) =>
        Parallel.ForEachAsync(sandboxes, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (sandbox, _) => await action(sandbox));
}
