using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Disks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux.Cgroups;

namespace Mitos.Engine.Tests.Recovery;

/// <summary>The start of an engine after another, without machines; with machines in Mitos.MachineTests.</summary>
public sealed class RecovererTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly LogLines _log = new();
    private readonly LayerStore _layers;
    private readonly MachineHost _host;
    private SandboxStore _store;

    public RecovererTests()
    {
        var options = new EngineOptions { StateDirectory = _scratch["state"], RunDirectory = _scratch["run"] };
        Directory.CreateDirectory(_scratch["run"]);
        _layers = new LayerStore(_scratch["state/layers"]);
        _store = new SandboxStore(_scratch["state/sandboxes"]);
        _host = new MachineHost(options, "feedbeef", new QemuDriver(new VmmFacts("qemu", "0", "/bin/false", "tcg", "a test"), _layers), _layers, CgroupHierarchy.Probe());
    }

    [Fact]
    public async Task A_sandbox_whose_machine_ended_meanwhile_is_stopped_and_says_why_and_one_that_had_stopped_stays_so()
    {
        var running = Records.Sandbox(name: "one", state: SandboxState.Running);
        var stopped = Records.Sandbox(name: "two") with { StopReason = "long ago" };
        Write(running);
        Write(stopped);
        await RecoverAsync();
        Assert.Equal(SandboxState.Stopped, _store.Find("one").Record.State);
        Assert.Contains("while no engine ran", _store.Find("one").Record.StopReason, StringComparison.Ordinal);
        Assert.NotNull(_store.Find("one").Record.StoppedAt);
        Assert.Equal("long ago", _store.Find("two").Record.StopReason);
        Assert.True(_store.Find("one").Stopped.Task.IsCompleted);
        _store = new SandboxStore(_scratch["state/sandboxes"]);
        await RecoverAsync(); // it was written down
        Assert.Equal(SandboxState.Stopped, _store.Find("one").Record.State);
    }

    [Fact]
    public async Task A_number_that_another_process_has_now_is_not_taken_for_the_machine()
    {
        using var stranger = Sleep("stranger");
        var record = Records.Sandbox(state: SandboxState.Running);
        Write(record with { Machine = record.Machine with { Pid = stranger.Id, StartTime = 1 } });
        await RecoverAsync();
        Assert.Equal(SandboxState.Stopped, _store.Find(record.Id).Record.State);
        Assert.False(stranger.HasExited);
        End(stranger);
    }

    [Fact]
    public async Task Leftovers_of_an_engine_are_ended_and_deleted_and_strangers_live()
    {
        var vmm = VmmId.New();
        using var shell = Sleep(vmm);
        using var stranger = Sleep("somebody else's");
        RunDirectory(vmm, shell.Id);
        var recycled = RunDirectory(VmmId.New(), stranger.Id);
        var layer = _layers.Create(1 << 20).Layer;
        var engine = new LayerStore(_scratch["state/layers"]);
        await RecoverAsync();
        await shell.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        Assert.False(stranger.HasExited);
        Assert.Empty(Directory.GetDirectories(_scratch["run/v"]));
        Assert.False(Directory.Exists(recycled));
        Assert.True(File.Exists(engine.PathOf(layer))); // its store counts it
        _store = new SandboxStore(_scratch["state/sandboxes"]);
        _layers.Release([layer]);
        End(stranger);
    }

    [Fact]
    public async Task Layers_that_nobody_names_are_deleted()
    {
        var before = new LayerStore(_scratch["state/layers"]).Create(1 << 20).Layer; // of an engine that died
        await RecoverAsync();
        Assert.False(File.Exists(_layers.PathOf(before)));
    }

    [Theory]
    [InlineData("{ \"id\": \"")]
    [InlineData("not ours")]
    public async Task While_a_journal_cannot_be_read_nothing_is_ended_or_deleted_and_the_log_names_it(string text)
    {
        var path = _scratch["state/sandboxes/iaaaaaaaaaaaaaaaaaaaa.json"];
        File.WriteAllText(path, text);
        var vmm = VmmId.New();
        using var shell = Sleep(vmm);
        var directory = RunDirectory(vmm, shell.Id);
        var layer = new LayerStore(_scratch["state/layers"]).Create(1 << 20).Layer;
        await RecoverAsync();
        Assert.False(shell.HasExited);
        Assert.True(Directory.Exists(directory));
        Assert.True(File.Exists(_layers.PathOf(layer)));
        Assert.Equal(text, File.ReadAllText(path));
        Assert.Contains(_log.Lines, line => line.Level == LogLevel.Error && line.Text.Contains(path, StringComparison.Ordinal));
        End(shell);
    }

    [Fact]
    public async Task A_journal_under_another_s_name_is_not_believed()
    {
        var record = Records.Sandbox();
        Write(record);
        File.Move(_scratch[$"state/sandboxes/{record.Id}.json"], _scratch["state/sandboxes/copy.json"]);
        await RecoverAsync();
        Assert.Empty(_store.All);
        Assert.Contains(_log.Lines, line => line.Level == LogLevel.Error && line.Text.Contains("copy.json", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_sandboxes_of_one_name_are_both_there_and_the_older_keeps_it()
    {
        var older = Records.Sandbox(name: "same");
        var newer = Records.Sandbox(name: "same") with { CreatedAt = older.CreatedAt.AddSeconds(1) };
        Write(newer);
        Write(older);
        await RecoverAsync();
        Assert.Equal(2, _store.All.Count);
        Assert.Equal(older.Id, _store.Find("same").Record.Id);
        Assert.Null(_store.Find(newer.Id).Record.Name);
    }

    public void Dispose() => _scratch.Dispose();

    private Task RecoverAsync() => new Recoverer(_host, Generations, _store, new SnapshotStore(_scratch["state/snapshots"], Generations, _layers), _log)
        .RunAsync((_, _) => Assert.Fail("there is no machine to adopt"));

    private GenerationStore Generations => new(_scratch["state/generations"], _layers);

    private void Write(SandboxRecord record) => Journal.Write(_scratch[$"state/sandboxes/{record.Id}.json"], record, EngineJson.Default.SandboxRecord);

    private string RunDirectory(string vmm, int pid)
    {
        var directory = _scratch[$"run/v/{vmm}"];
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "pid"), pid.ToString(CultureInfo.InvariantCulture));
        return directory;
    }

    // A process with a word on its command line, as `qemu -name ID` has.
    private static Process Sleep(string word)
    {
        var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "read x", word]) { RedirectStandardInput = true })!;
        var deadline = Stopwatch.StartNew();
        while (!File.ReadAllText($"/proc/{process.Id}/cmdline").Contains(word, StringComparison.Ordinal))
            Assert.True(deadline.Elapsed < TimeSpan.FromSeconds(30));
        return process;
    }

    private static void End(Process process)
    {
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(30_000));
    }
}
