using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Errors;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux;

namespace Mitos.Engine.Tests.Vmm.Qemu;

/// <summary>Against a monitor that stalls, cuts, lies and floods: an error that names the subject, never a hang, and the connection used only while it is in step.</summary>
public sealed class QmpConnectionTests
{
    private const string Event = """{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}""" + "\r\n";

    private static Deadline Patience => Deadline.In(TimeSpan.FromSeconds(60));

    private static Deadline Soon => Deadline.In(TimeSpan.FromMilliseconds(200));

    [Fact]
    public void A_command_goes_with_its_arguments_and_id_and_its_result_comes_back()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            Assert.Equal("""{"execute":"add","arguments":{"a":[1,"x"]},"id":"add"}""", peer.Hear());
            peer.Say("""{"return": {"sum": 3, "id": "not this one"}, "id": "add"}""" + "\r\n");
            Assert.Equal("""{"execute":"stop","id":"stop"}""", peer.Hear());
            peer.Say("""{"return": {}, "id": "stop"}""" + "\n");
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Assert.Equal(3, connection.Query("add", new JsonObject { ["a"] = new JsonArray(1, "x") }, Patience, result => (int)result["sum"]!));
        connection.Run(QmpConnection.Encode("stop"), Patience);
    }

    [Fact]
    public void Events_between_before_and_after_answers_are_dropped()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.Say(Event);
            for (var i = 0; i < 3; i++)
            {
                peer.Say(Event + Event);
                peer.Answer($"{i}");
                peer.Say(Event);
            }
            peer.HearName();
            peer.Say("""{"event": "OF_ANOTHER_FORM", "data": {}}""" + "\r\n" + """{"id": "odd", "return": 7}""" + "\r\n"); // another order of keys is the same
            peer.Hold();
        });
        using var connection = Connect(monitor);
        for (var i = 0; i < 3; i++)
            Assert.Equal(i, connection.Query("count", null, Patience, result => (int)result));
        Assert.Equal(7, connection.Query("odd", null, Patience, result => (int)result));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void An_answer_in_pieces_of_any_size_is_put_together(int piece)
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            for (var i = 0; i < 3; i++)
            {
                var bytes = Encoding.UTF8.GetBytes(Event + $"{{\"return\": \"{new string('ü', 50 * i)}\", \"id\": \"{peer.HearName()}\"}}\r\n");
                foreach (var part in bytes.Chunk(piece))
                    peer.Say(part);
            }
            peer.Hold();
        });
        using var connection = Connect(monitor);
        for (var i = 0; i < 3; i++)
            Assert.Equal(new string('ü', 50 * i), connection.Query("text", null, Patience, result => (string?)result));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(100_000)]
    [InlineData(3_000_000)]
    public void Answers_up_to_the_limit_are_read(int length)
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.Answer($"\"{new string('x', length)}\"");
            peer.Answer("1");
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Assert.Equal(length, connection.Query("long", null, Patience, result => ((string)result!).Length));
        Assert.Equal(1, connection.Query("short", null, Patience, result => (int)result));
    }

    // As of a disk of so many layers, each within the one above it.
    [Fact]
    public void An_answer_however_deep_is_read()
    {
        const int Depth = 2000;
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.Answer(string.Concat(Enumerable.Repeat("{\"node\": 7, \"backing-image\": ", Depth)) + "{}" + new string('}', Depth));
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Assert.Equal(7, connection.Query("query-block", null, Patience, result => (int)result["backing-image"]!["node"]!));
    }

    [Fact]
    public void A_refusal_is_an_error_with_qemu_s_words_and_the_connection_goes_on()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            peer.Say("""{"id": "eject", "error": {"class": "GenericError", "desc": "Device 'x' is locked"}}""" + "\r\n");
            peer.HearName();
            peer.Say("""{"error": {"class": "GenericError", "desc": "JSON parse error"}}""" + "\r\n"); // QEMU knows no id when it could not read the command
            peer.Answer("5");
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("eject", null, Patience), "'eject'", "Device 'x' is locked");
        Fails(() => connection.Run("other", null, Patience), "'other'", "JSON parse error");
        Assert.Equal(5, connection.Query("five", null, Patience, result => (int)result));
    }

    [Theory]
    [InlineData("""{"return": {}, "id": "another"}""")] // the answer to another command
    [InlineData("""{"return": {}}""")]
    [InlineData("""{"id": "another", "error": {"class": "GenericError", "desc": "for another"}}""")]
    [InlineData("""{"error": "no object"}""")]
    [InlineData("""{"error": null, "id": "ask"}""")]
    [InlineData("""{"id": 5, "return": {}}""")]
    [InlineData("""{"QMP": {}}""")]
    [InlineData("garbage")]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("7")]
    [InlineData("{\"return\": {}, \"id\": \"as")]
    [InlineData("\u0001\u0002\u00ff\0")]
    public void What_is_no_answer_to_the_command_breaks_the_connection_at_once_and_for_good(string said)
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            peer.Say(said + "\r\n");
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("ask", null, Patience), "'ask'");
        Fails(() => connection.Run("again", null, Patience), "broke earlier", "'ask'");
    }

    [Theory]
    [InlineData("""{"a": 1}""")]
    [InlineData("null")]
    [InlineData("\"text\"")]
    [InlineData("[]")]
    [InlineData("garbage")]
    public void A_result_of_the_wrong_kind_is_an_error_that_shows_it(string result)
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.Answer(result);
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Query("status", null, Patience, node => (string)node["status"]!.AsObject()["x"]!), "'status'", result);
    }

    [Fact]
    public void A_stall_ends_at_the_deadline_and_a_late_answer_is_never_taken_for_the_next()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName(); // nothing is said
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("slow", null, Soon), "'slow'", "timed out");
        Fails(() => connection.Run("next", null, Patience), "broke earlier");
    }

    [Fact]
    public void A_stall_within_an_answer_ends_at_the_deadline()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            peer.Say("{\"return\": {\"half\": ");
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("cut", null, Soon), "'cut'", "timed out");
    }

    [Fact]
    public async Task A_flood_of_events_without_an_answer_ends_at_the_deadline()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            // short ones: faster to send than to read, so that there is always one more
            var flood = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"timestamp\"\n", 100_000)));
            while (true)
                peer.Say(flood); // until the client closes
        });
        using var connection = Connect(monitor);
        var failing = Task.Run(() => Fails(() => connection.Run("drowned", null, Soon), "'drowned'"));
        await Task.WhenAny(failing, Task.Delay(TimeSpan.FromSeconds(20)));
        connection.Dispose(); // ends the fake in any case
        Assert.True(failing.IsCompleted, "it did not end");
        await failing;
    }

    [Fact]
    public void After_the_deadline_no_event_is_waited_through_for_an_answer_behind_it()
    {
        using var said = new ManualResetEventSlim();
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.Say(string.Concat(Enumerable.Repeat(Event, 100)) + """{"return": {}, "id": "late"}""" + "\r\n");
            said.Set();
            peer.Hold();
        });
        using var connection = Connect(monitor);
        Assert.True(said.Wait(TimeSpan.FromSeconds(60)));
        Fails(() => connection.Run("late", null, Deadline.In(TimeSpan.Zero)), "'late'", "only events");
    }

    [Fact]
    public void A_line_without_end_is_refused_before_it_fills_the_memory()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            var bytes = Encoding.UTF8.GetBytes(new string('x', 1 << 20));
            while (true)
                peer.Say(bytes);
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("endless", null, Patience), "4 MiB");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"return\": {}")]
    public void A_monitor_that_closes_is_an_error_that_says_so(string said)
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            peer.HearName();
            peer.Say(said);
        });
        using var connection = Connect(monitor);
        Fails(() => connection.Run("last", null, Patience), "closed");
        Fails(() => connection.Run("next", null, Patience), "broke earlier", "closed");
    }

    [Fact]
    public void A_monitor_that_does_not_read_ends_at_the_deadline()
    {
        using var stop = new ManualResetEventSlim();
        using var monitor = new FakeMonitor().Serve(_ => stop.Wait(TimeSpan.FromSeconds(60)));
        using var connection = Connect(monitor);
        var command = QmpConnection.Encode("large", new JsonObject { ["data"] = new string('x', 8 << 20) });
        Fails(() => connection.Run(command, Soon), "'large'", "timed out");
        stop.Set();
    }

    [Fact]
    public async Task Commands_of_many_threads_get_each_its_own_answer()
    {
        using var monitor = new FakeMonitor().Serve(peer =>
        {
            while (peer.Hear() is { Length: > 0 } command)
            {
                var request = JsonNode.Parse(command)!;
                peer.Say(Event + new JsonObject { ["return"] = request["arguments"]!["n"]!.DeepClone(), ["id"] = request["id"]!.DeepClone() }.ToJsonString().Replace("\":", "\": ", StringComparison.Ordinal) + "\r\n");
            }
        });
        using var connection = Connect(monitor);
        await Parallel.ForAsync(0, 200, (i, _) =>
        {
            Assert.Equal(i, connection.Query("echo", new JsonObject { ["n"] = i }, Patience, result => (int)result));
            return ValueTask.CompletedTask;
        });
    }

    private static QmpConnection Connect(FakeMonitor monitor) => new(monitor.Path, "machine 1", Patience);

    private static void Fails(Action action, params string[] said)
    {
        var error = Assert.Throws<VmmException>(action);
        Assert.All(said.Append("machine 1"), text => Assert.Contains(text, error.Message, StringComparison.Ordinal));
        Assert.InRange(error.Message.Length, 20, 600);
    }
}
