using System.Diagnostics;
using System.Text;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

/// <summary>It refuses, stalls, cuts, ends, lies and babbles as it is told, and only then.</summary>
public sealed class PlanTests : IDisposable
{
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public async Task It_refuses_with_what_it_is_told()
    {
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Refuse, Text = "not today", Status = 500, From = 2, Times = 1 });
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await process.PauseAsync();
        Assert.Equal((500, """{"fault_message":"not today"}"""), await process.SendAsync("PATCH", "/vm", """{"state":"Resumed"}"""));
        Assert.Equal("Paused", await process.StateAsync());
        await process.ResumeAsync();
        Assert.Equal("Running", await process.StateAsync());
    }

    [Fact]
    public async Task It_lies()
    {
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Lie }, new FakeRule { On = "GET /version", Do = FakeAct.Lie, Status = 200, Text = """{"firecracker_version":"9.9.9"}""" });
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await process.PauseAsync();
        Assert.Equal("Running", await process.StateAsync());
        Assert.Equal((200, """{"firecracker_version":"9.9.9"}"""), await process.SendAsync("GET", "/version"));
    }

    [Fact]
    public async Task It_stalls_and_then_does_it()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Stall, Ms = 300 });
        var clock = Stopwatch.StartNew();
        await process.PauseAsync();
        Assert.True(clock.ElapsedMilliseconds >= 300);
        Assert.Equal("Paused", await process.StateAsync());
    }

    [Fact]
    public async Task It_stalls_for_ever_and_all_others_wait_too()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Stall });
        var stalled = process.PauseAsync();
        await WaitAsync(() => process.StateAsync(), stalled);
        await process.KillAsync();
        await Assert.ThrowsAsync<HttpRequestException>(() => stalled);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(20, true)]
    public async Task It_cuts_the_connection(int bytes, bool carryOut)
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Cut, Bytes = bytes, CarryOut = carryOut });
        await using (var stream = await process.ConnectAsync(FakeProcess.Token))
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes("PATCH /vm HTTP/1.1\r\nContent-Length: 18\r\n\r\n{\"state\":\"Paused\"}"));
            using var reader = new StreamReader(stream);
            Assert.Equal("HTTP/1.1 204 \r\nServer: Firecracker API\r\n"[..bytes], await reader.ReadToEndAsync(FakeProcess.Token));
        }
        Assert.Equal(carryOut ? "Paused" : "Running", await process.StateAsync());
    }

    [Fact]
    public async Task It_ends()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        _fake.SetRules(new FakeRule { On = "PATCH /vm", Do = FakeAct.Exit, Code = 148 });
        await Assert.ThrowsAsync<HttpRequestException>(() => process.PauseAsync());
        Assert.Equal(148, (await process.ExitAsync()).Code);
    }

    [Fact]
    public async Task It_babbles()
    {
        _fake.SetRules(new FakeRule { On = "GET /", Do = FakeAct.Babble, Text = "EHLO\r\n\r\n" });
        await using var process = new FakeProcess(_fake);
        await using var stream = await process.ConnectAsync(FakeProcess.Token);
        await stream.WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        var buffer = new byte[100];
        Assert.Equal("EHLO\r\n\r\n", Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, FakeProcess.Token)));
    }

    [Fact]
    public async Task It_does_not_come_up()
    {
        _fake.SetRules(new FakeRule { On = "start", Do = FakeAct.Refuse, Text = "no KVM here", Code = 3, Id = "bad" });
        await using var bad = new FakeProcess(_fake, "bad");
        var (code, words) = await bad.ExitAsync();
        Assert.Equal((3, "Error: no KVM here"), (code, words.Trim()));
        await using var good = new FakeProcess(_fake, "good");
        Assert.Equal("Not started", await good.StateAsync());
    }

    [Fact]
    public async Task All_requests_are_written_down()
    {
        await using var process = new FakeProcess(_fake, "a");
        await process.StateAsync();
        await process.RefusedAsync("PATCH", "/vm", """{"state":"Paused"}""");
        Assert.Equal([new FakeRequest("a", "GET", "/", "", 200), new FakeRequest("a", "PATCH", "/vm", """{"state":"Paused"}""", 400)], _fake.ReadLog());
    }

    [Fact]
    public async Task A_plan_with_a_slip_of_the_pen_is_no_plan()
    {
        await File.WriteAllTextAsync(Path.Combine(_fake.Directory, "plan.json"), """{"rulez":[]}""");
        await using var process = new FakeProcess(_fake);
        var (code, words) = await process.ExitAsync();
        Assert.NotEqual(0, code);
        Assert.Contains("rulez", words, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FakeAct.Refuse)]
    [InlineData(FakeAct.Babble)]
    public async Task A_host_is_turned_away_from_the_guest(FakeAct act)
    {
        _fake.SetRules(new FakeRule { On = "connect", Do = act, Text = "what?\n", Times = 1 });
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await Assert.ThrowsAsync<IOException>(async () => await ProbeEndpoint.Vsock(process.PathOf("v.sock"))(FakeProcess.Token));
        await (await process.ConnectAsync()).DisposeAsync();
    }

    // Half a second in which nothing of it comes.
    private static async Task WaitAsync(Func<Task<string>> ask, Task stalled)
    {
        var asked = ask();
        await Task.Delay(500);
        Assert.False(asked.IsCompleted || stalled.IsCompleted);
        _ = asked.ContinueWith(task => task.Exception, TaskScheduler.Default);
    }
}
