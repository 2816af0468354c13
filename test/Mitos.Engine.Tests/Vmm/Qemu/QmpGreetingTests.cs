using Mitos.Engine.Errors;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux;

namespace Mitos.Engine.Tests.Vmm.Qemu;

/// <summary>A connection that cannot be made is one clear error and leaves no descriptor.</summary>
public sealed class QmpGreetingTests
{
    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("\r\n")]
    [InlineData("{}\r\n")]
    [InlineData("{\"return\": {}}\r\n")]
    [InlineData("")] // and then silence
    [InlineData("{\"QMP\": ")]
    public void What_is_no_greeting_is_refused(string said) => Fails(peer =>
    {
        peer.Say(said);
        peer.Hold();
    }, "greet");

    [Fact]
    public void A_monitor_that_closes_at_once_is_refused() => Fails(_ => { });

    [Fact]
    public void A_monitor_that_refuses_the_negotiation_is_refused() => Fails(peer =>
    {
        peer.Say(FakeMonitor.Greeting);
        peer.HearName();
        peer.Say("""{"id": "qmp_capabilities", "error": {"class": "CommandNotFound", "desc": "not in negotiation mode"}}""" + "\r\n");
        peer.Hold();
    });

    [Fact]
    public void What_a_client_that_was_killed_had_asked_for_is_no_answer_to_us()
    {
        using var monitor = new FakeMonitor().ServeRaw(peer =>
        {
            peer.Say("""{"return": {}, "id": "stop"}""" + "\r\n" + FakeMonitor.Greeting);
            peer.HearName();
            peer.Say("""{"return": {}, "id": "blockdev-add"}""" + "\r\n" + """{"id": "cont", "error": {"class": "GenericError", "desc": "late"}}""" + "\r\n");
            peer.Say("""{"return": {}, "id": "qmp_capabilities"}""" + "\r\n");
            peer.Answer("""{"status": "running"}""");
        });
        using var connection = new QmpConnection(monitor.Path, "machine 1", Deadline.In(TimeSpan.FromSeconds(30)));
        Assert.Equal("running", connection.Query("query-status", null, Deadline.In(TimeSpan.FromSeconds(30)), result => (string?)result["status"]));
    }

    [Fact]
    public void A_monitor_that_greets_and_falls_silent_is_refused() => Fails(peer =>
    {
        peer.Say(FakeMonitor.Greeting);
        peer.Hold();
    });

    [Fact]
    public void A_monitor_that_is_not_there_is_refused()
    {
        using var scratch = new Scratch();
        var error = Assert.Throws<VmmException>(() => new QmpConnection(scratch["nothing"], "machine 1", Deadline.In(TimeSpan.FromSeconds(30))));
        Assert.Contains("machine 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("cannot be reached", error.Message, StringComparison.Ordinal);
    }

    private static void Fails(Action<FakeMonitor.Peer> script, string said = "")
    {
        Try();
        var before = Descriptors();
        for (var i = 0; i < 5; i++)
            Try();
        for (var i = 0; i < 200 && Descriptors() > before; i++)
            Thread.Sleep(10); // the fake's own side
        Assert.True(Descriptors() <= before, "descriptors are left open");

        void Try()
        {
            using var monitor = new FakeMonitor().ServeRaw(script);
            var error = Assert.Throws<VmmException>(() => new QmpConnection(monitor.Path, "machine 1", Deadline.In(TimeSpan.FromMilliseconds(200))));
            Assert.Contains("machine 1", error.Message, StringComparison.Ordinal);
            Assert.Contains(said, error.Message, StringComparison.Ordinal);
        }
    }

    // The runtime loads a library when it needs it, and keeps it open.
    private static int Descriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Count(path => new FileInfo(path).LinkTarget?.EndsWith(".dll", StringComparison.Ordinal) != true);
}
