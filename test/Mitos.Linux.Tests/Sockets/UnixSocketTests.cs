using System.Net.Sockets;
using System.Text;
using Mitos.Linux.Abi;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Sockets;

public sealed class UnixSocketTests
{
    private static Deadline Patience => Deadline.In(TimeSpan.FromSeconds(30));

    private static Deadline Soon => Deadline.In(TimeSpan.FromMilliseconds(50));

    [Theory]
    [InlineData(1)]
    [InlineData(5_000_000)] // in many parts: the descriptor goes with the first and only once
    public void Bytes_and_a_descriptor_arrive_in_another_process(int length)
    {
        using var file = MemoryFile.Create("passed", 4096);
        RandomAccess.Write(file.Handle, "what the file says"u8, 0);
        var bytes = new byte[length];
        Random.Shared.NextBytes(bytes);
        var (ours, theirs) = UnixSocket.Pair("the receiver");
        var (output, outputOf) = UnixSocket.Pair("its output");
        using (ours)
        using (output)
        using (var receiver = Spawner.Start(new SpawnOptions { Path = CProgram.Build("receive"), Arguments = ["receive"], Descriptors = [theirs.Descriptor, outputOf.Descriptor, 2] }))
        {
            theirs.Dispose();
            outputOf.Dispose();
            ours.Send(bytes, Patience, file.Descriptor);
            ours.CloseSending();
            Assert.Equal($"{length} {bytes.Sum(value => (long)value)} what the file says", ReadAll(output));
        }
    }

    [Fact]
    public async Task All_bytes_arrive_in_order_when_the_peer_is_slow()
    {
        var (a, b) = UnixSocket.Pair("test");
        using (a)
        using (b)
        {
            var bytes = new byte[1 << 20];
            Random.Shared.NextBytes(bytes);
            var sending = Task.Run(() =>
            {
                a.Send(bytes, Patience);
                a.CloseSending();
            });
            var received = new MemoryStream();
            var buffer = new byte[777];
            int got;
            while ((got = b.Receive(buffer, Patience)) > 0)
                received.Write(buffer, 0, got);
            await sending;
            Assert.Equal(bytes, received.ToArray());
            b.Send("the other direction"u8, Patience); // is still open
            Assert.Equal(19, a.Receive(buffer, Patience));
        }
    }

    [Fact]
    public void At_the_deadline_sending_to_a_full_socket_and_receiving_from_an_empty_one_end()
    {
        var (a, b) = UnixSocket.Pair("the subject");
        using (a)
        using (b)
        {
            foreach (var error in new[]
            {
                Assert.Throws<LinuxException>(() => a.Send(new byte[16 << 20], Soon)),
                Assert.Throws<LinuxException>(() => { a.Receive(new byte[1], Soon); }),
            })
            {
                Assert.Equal(Errno.ETIMEDOUT, error.Errno);
                Assert.Contains("the subject", error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_peer_that_is_gone_is_the_stream_s_end_and_an_error_and_no_signal()
    {
        var (a, b) = UnixSocket.Pair("the subject");
        b.Dispose();
        using (a)
        {
            Assert.Equal(0, a.Receive(new byte[1], Patience));
            Assert.Equal(32 /* EPIPE */, Assert.Throws<LinuxException>(() => a.Send("x"u8, Patience)).Errno);
        }
    }

    [Fact]
    public void A_descriptor_cannot_go_without_a_byte()
    {
        var (a, b) = UnixSocket.Pair("test");
        using (a)
        using (b)
            Assert.Throws<ArgumentException>(() => a.Send([], Patience, 1));
    }

    [Fact]
    public void A_listening_socket_is_its_owner_s_alone_and_answers()
    {
        using var scratch = new Scratch();
        using var listener = UnixSocket.Listen(scratch["socket"]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(scratch["socket"]));
        using var client = UnixSocket.Connect(scratch["socket"], Patience);
        Assert.All((int[])[listener.Descriptor, client.Descriptor], fd => Assert.Equal(1, Libc.Fcntl(fd, 1 /* F_GETFD */, 0)));
    }

    [Fact]
    public void What_cannot_be_bound_or_connected_is_an_error_and_leaves_no_descriptor()
    {
        using var scratch = new Scratch();
        Descriptors.AssertNoneLeft(() =>
        {
            File.WriteAllText(scratch["taken"], "");
            Assert.Equal(98 /* EADDRINUSE */, Assert.Throws<LinuxException>(() => UnixSocket.Listen(scratch["taken"])).Errno);
            Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => UnixSocket.Connect(scratch["nothing"], Patience)).Errno);
            UnixSocket.Listen(scratch["dead"]).Dispose();
            Assert.Equal(111 /* ECONNREFUSED */, Assert.Throws<LinuxException>(() => UnixSocket.Connect(scratch["dead"], Patience)).Errno);
            File.Delete(scratch["dead"]);
            foreach (var path in (string[])["", "a\0b", "/" + new string('a', 107), "/" + new string('ü', 54)])
            {
                Assert.Throws<ArgumentException>(() => UnixSocket.Listen(path));
                Assert.Contains("107", Assert.Throws<ArgumentException>(() => UnixSocket.Connect(path, Patience)).Message, StringComparison.Ordinal);
            }
        });
    }

    [Fact]
    public void A_path_of_107_bytes_works()
    {
        using var scratch = new Scratch();
        var path = scratch[new string('a', 107 - scratch.Root.Length - 1)];
        using var listener = UnixSocket.Listen(path);
        using var client = UnixSocket.Connect(path, Patience);
        Assert.Equal(107, Encoding.UTF8.GetByteCount(path));
    }

    [Fact]
    public void Connecting_to_a_listener_that_accepts_nobody_ends_at_the_deadline()
    {
        using var scratch = new Scratch();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(scratch["socket"]));
        listener.Listen(0);
        using var first = UnixSocket.Connect(scratch["socket"], Patience); // takes the only place in the queue
        Descriptors.AssertNoneLeft(() => Assert.Equal(Errno.ETIMEDOUT, Assert.Throws<LinuxException>(() => UnixSocket.Connect(scratch["socket"], Soon)).Errno));
    }

    private static string ReadAll(UnixSocket socket)
    {
        var text = new MemoryStream();
        var buffer = new byte[4096];
        int got;
        while ((got = socket.Receive(buffer, Patience)) > 0)
            text.Write(buffer, 0, got);
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
