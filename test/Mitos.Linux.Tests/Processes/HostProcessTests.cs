using System.Diagnostics;
using Mitos.Linux.Processes;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Processes;

public sealed class HostProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task The_end_of_a_process_is_noticed_and_it_is_reaped()
    {
        using var process = Spawner.Start(new SpawnOptions { Path = "/bin/sh", Arguments = ["sh", "-c", "exit 3"], Descriptors = [0, 1, 2] });
        await process.Exited.WaitAsync(Patience);
        Assert.True(process.HasExited);
        Assert.False(Directory.Exists($"/proc/{process.Id}"));
        Assert.False(process.TrySignal(0));
        Assert.Null(HostProcess.TryOpen(process.Id, process.StartTime));
        Assert.Equal(TimeSpan.Zero, process.ReadCpuTime());
    }

    [Fact]
    public async Task A_signal_reaches_the_process_and_kill_ends_it()
    {
        using var cat = new Spawned();
        Assert.False(cat.Process.HasExited);
        Assert.True(cat.Process.TrySignal(0));
        cat.Process.Kill();
        await cat.Process.Exited.WaitAsync(Patience);
        Assert.False(cat.Process.TrySignal(9));
    }

    [Fact]
    public async Task A_process_of_somebody_else_is_opened_by_its_number_and_start_and_its_end_noticed()
    {
        using var cat = new Spawned();
        using var again = HostProcess.TryOpen(cat.Process.Id, cat.Process.StartTime);
        using var any = HostProcess.TryOpenAny(cat.Process.Id);
        Assert.Equal((cat.Process.Id, cat.Process.StartTime), (again!.Id, any!.StartTime));
        Assert.Null(HostProcess.TryOpen(cat.Process.Id, cat.Process.StartTime + 1));
        Assert.Null(HostProcess.TryOpen(cat.Process.Id, 0));
        again.Kill();
        await Task.WhenAll(again.Exited, any.Exited, cat.Process.Exited).WaitAsync(Patience);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void A_number_that_no_process_has_is_not_opened(int pid) => Assert.Null(HostProcess.TryOpenAny(pid));

    [Fact]
    public async Task A_number_given_to_another_process_is_not_mistaken_for_the_first()
    {
        Needs.Root("only root chooses the number of a process");
        using var first = new Spawned();
        var (pid, start) = (first.Process.Id, first.Process.StartTime);
        using var held = HostProcess.TryOpen(pid, start)!;
        first.Process.Kill();
        await Task.WhenAll(first.Process.Exited, held.Exited).WaitAsync(Patience);
        await Task.Delay(30); // so that the clock of starts goes on

        using var other = Process.Start(new ProcessStartInfo(CProgram.Build("reuse"), [pid.ToString()]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Assert.Equal("ok", await other.StandardOutput.ReadLineAsync());
        try
        {
            Assert.True(Directory.Exists($"/proc/{pid}"));
            Assert.False(held.TrySignal(9));
            Assert.False(first.Process.TrySignal(9));
            Assert.Null(HostProcess.TryOpen(pid, start));
            Assert.Equal(TimeSpan.Zero, held.ReadCpuTime());
            using var second = HostProcess.TryOpenAny(pid)!;
            Assert.True(second.TrySignal(0));
            Assert.NotEqual(start, second.StartTime);
        }
        finally
        {
            other.StandardInput.Close();
            await other.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task A_process_that_was_let_go_of_is_not_signalled_nor_is_another_that_got_its_descriptor()
    {
        var first = new Spawned();
        first.Dispose();
        var others = Enumerable.Range(0, 8).Select(_ => new Spawned()).ToList();
        Assert.False(first.Process.TrySignal(9));
        first.Process.Kill();
        first.Process.Dispose();
        Assert.All(others, other => Assert.True(other.Process.TrySignal(0)));
        await Task.Delay(50);
        Assert.All(others, other => Assert.False(other.Process.HasExited));
        others.ForEach(other => other.Dispose());
    }

    [Fact]
    public async Task Cpu_time_is_that_of_the_process()
    {
        using var busy = Spawner.Start(new SpawnOptions { Path = "/bin/sh", Arguments = ["sh", "-c", "while :; do :; done"], Descriptors = [0, 1, 2] });
        var waited = Stopwatch.StartNew();
        while (busy.ReadCpuTime() < TimeSpan.FromMilliseconds(50) && waited.Elapsed < Patience)
            await Task.Delay(10);
        Assert.InRange(busy.ReadCpuTime(), TimeSpan.FromMilliseconds(50), waited.Elapsed + TimeSpan.FromMilliseconds(100));
        busy.Kill();
        await busy.Exited;
    }

    [Fact]
    public void A_name_that_looks_like_the_fields_behind_it_does_not_confuse()
    {
        using var scratch = new Scratch();
        var path = scratch[") S 1 2 3"];
        File.Copy("/bin/cat", path);
        using var cat = new Spawned(options => options with { Path = path });
        Assert.Equal(") S 1 2 3", cat.Read("comm").Trim());
        Assert.NotEqual(0ul, cat.Process.StartTime);
        using var plain = new Spawned();
        Assert.InRange(plain.Process.StartTime, cat.Process.StartTime, cat.Process.StartTime + 3000);
    }
}
