using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Errors;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Vmm.Qemu;

/// <summary>That QEMU itself speaks as the fake does: a QEMU without a machine.</summary>
public sealed class RealQemuTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Process _qemu;

    public RealQemuTests()
    {
        _qemu = Process.Start("/usr/bin/qemu-system-x86_64",
            ["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-chardev", $"socket,id=monitor,path={_scratch["monitor"]},server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            "-chardev", "ringbuf,id=console,size=4096"]);
        for (var i = 0; i < 3000 && !Listens(); i++)
            Thread.Sleep(10);
    }

    private bool Listens()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_scratch["monitor"]));
            return true;
        }
        catch (SocketException)
        {
            return false; // not there yet, or there and not listening yet
        }
    }

    private static Deadline Patience => Deadline.In(TimeSpan.FromSeconds(60));

    [Fact]
    public void Answers_refusals_events_and_descriptors_are_as_expected()
    {
        using var connection = new QmpConnection(_scratch["monitor"], "machine 1", Patience);
        Assert.Equal("running", connection.Query("query-status", null, Patience, result => (string?)result["status"]));
        foreach (var command in (string[])["stop", "cont", "stop", "cont"]) // each has its event
            connection.Run(QmpConnection.Encode(command), Patience);
        var error = Assert.Throws<VmmException>(() => connection.Run("no-such-command", null, Patience));
        Assert.Contains("'no-such-command'", error.Message, StringComparison.Ordinal);
        using var file = MemoryFile.Create("passed", 4096);
        connection.Run("add-fd", new JsonObject { ["fdset-id"] = 7 }, Patience, file.Descriptor);
        Assert.Equal([7], connection.Query("query-fdsets", null, Patience, result => result.AsArray().Select(set => (int)set!["fdset-id"]!).ToList()));
        Assert.Throws<VmmException>(() => connection.Run("add-fd", new JsonObject { ["fdset-id"] = 8 }, Patience)); // without one
        connection.Run("ringbuf-write", new JsonObject { ["device"] = "console", ["data"] = "ünï" }, Patience);
        Assert.Equal("ünï", connection.Query("ringbuf-read", new JsonObject { ["device"] = "console", ["size"] = 100, ["format"] = "base64" }, Patience, result => Encoding.UTF8.GetString(Convert.FromBase64String((string)result!))));
        Assert.True(connection.Query("query-qmp-schema", null, Patience, result => result.AsArray().Count) > 100); // a long answer
        Assert.Equal("running", connection.Query("query-status", null, Patience, result => (string?)result["status"]));
    }

    [Fact]
    public void A_qemu_that_is_killed_is_an_error_and_not_a_hang()
    {
        using var connection = new QmpConnection(_scratch["monitor"], "machine 1", Patience);
        _qemu.Kill();
        _qemu.WaitForExit();
        Assert.Contains("machine 1", Assert.Throws<VmmException>(() => connection.Run("stop", null, Patience)).Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _qemu.Kill();
        _qemu.WaitForExit();
        _qemu.Dispose();
        _scratch.Dispose();
    }
}
