using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Xunit;
using Google.Protobuf;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.Tests.Envd;

public sealed class MessageCodecTests
{
    private static readonly MessageCodec[] Codecs = [MessageCodec.Json, MessageCodec.Proto];

    [Property]
    public void A_message_is_the_same_in_both_forms(NonNull<string> command, NonNull<string>[] arguments, byte[] bytes, uint pid, bool stdin)
    {
        var start = new StartRequest { Process = new ProcessConfig { Cmd = Text(command), Envs = { ["A"] = "1" } }, Stdin = stdin, Pty = new PTY { Size = new() { Rows = 1, Cols = pid } } };
        start.Process.Args.AddRange(arguments.Select(Text));
        foreach (var codec in Codecs)
        {
            Assert.Equal(start, codec.Read<StartRequest>(Write(codec, start)));
            var input = new SendInputRequest { Process = new ProcessSelector { Pid = pid }, Input = new ProcessInput { Stdin = ByteString.CopyFrom(bytes) } };
            Assert.Equal(input, codec.Read<SendInputRequest>(Write(codec, input)));
        }
    }

    [Property(MaxTest = 1000)]
    public void Any_bytes_are_a_message_or_an_error(byte[] bytes)
    {
        foreach (var codec in Codecs)
            ReadOrRefuse(codec, bytes);
    }

    [Property(MaxTest = 2000)]
    public void A_message_with_some_bytes_changed_is_a_message_or_an_error(NonEmptyArray<(PositiveInt At, byte Value)> changes)
    {
        var start = new StartRequest { Process = new ProcessConfig { Cmd = "/bin/bash", Args = { "-l", "-c", "echo" }, Envs = { ["K"] = "v" }, Cwd = "/tmp" }, Pty = new PTY { Size = new() { Rows = 24, Cols = 80 } }, Tag = "t", Stdin = true };
        foreach (var codec in Codecs)
        {
            var bytes = Write(codec, start);
            foreach (var (at, value) in changes.Get)
                bytes[at.Get % bytes.Length] = value;
            ReadOrRefuse(codec, bytes);
        }
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("1")]
    [InlineData("\"text\"")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"process\": 1}")]
    [InlineData("{\"process\": {\"cmd\": 1}}")]
    [InlineData("{\"process\": {\"envs\": [1]}}")]
    [InlineData("{\"pty\": {\"size\": {\"rows\": -1}}}")]
    [InlineData("{\"pty\": {\"size\": {\"rows\": 4294967296}}}")]
    [InlineData("{\"stdin\": \"yes\"}")]
    public void JSON_of_another_shape_is_refused(string json) =>
        Assert.Equal("invalid_argument", Assert.Throws<ConnectException>(() => MessageCodec.Json.Read<StartRequest>(Encoding.UTF8.GetBytes(json))).Code);

    [Fact]
    public void JSON_without_end_is_refused() =>
        Assert.Throws<ConnectException>(() => MessageCodec.Json.Read<StartRequest>(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"process\":", 100_000)))));

    [Fact]
    public void Fields_that_are_not_known_are_ignored()
    {
        var json = """{"process":{"cmd":"a","later":{"x":[1,2]}},"another":1e9}"""u8;
        Assert.Equal("a", MessageCodec.Json.Read<StartRequest>(json).Process.Cmd);
        byte[] proto = [.. new StartRequest { Process = new() { Cmd = "a" } }.ToByteArray(), 0xF8, 0x07, 0x01]; // field 127
        Assert.Equal("a", MessageCodec.Proto.Read<StartRequest>(proto).Process.Cmd);
    }

    // What other clients send and expect, byte for byte: field numbers and kinds are the contract.
    [Fact]
    public void The_binary_form_has_the_numbers_of_the_contract()
    {
        AssertBytes("0A 14 0A 02 73 68 12 02 2D 63 1A 06 0A 01 4B 12 01 56 22 02 2F 74 12 06 0A 04 08 50 10 18 1A 01 74 20 01",
            new StartRequest { Process = new() { Cmd = "sh", Args = { "-c" }, Envs = { ["K"] = "V" }, Cwd = "/t" }, Pty = new() { Size = new() { Cols = 80, Rows = 24 } }, Tag = "t", Stdin = true });
        AssertBytes("0A 04 0A 02 08 07", new StartResponse { Event = new() { Start = new() { Pid = 7 } } });
        AssertBytes("0A 05 12 03 0A 01 61", new ConnectResponse { Event = new() { Data = new() { Stdout = ByteString.CopyFromUtf8("a") } } });
        AssertBytes("0A 05 12 03 12 01 61", new ConnectResponse { Event = new() { Data = new() { Stderr = ByteString.CopyFromUtf8("a") } } });
        AssertBytes("0A 05 12 03 1A 01 61", new ConnectResponse { Event = new() { Data = new() { Pty = ByteString.CopyFromUtf8("a") } } });
        AssertBytes("0A 0C 1A 0A 08 01 10 01 1A 01 73 22 01 65", new StartResponse { Event = new() { End = new() { ExitCode = -1, Exited = true, Status = "s", Error = "e" } } });
        AssertBytes("0A 02 22 00", new StartResponse { Event = new() { Keepalive = new() } });
        AssertBytes("0A 02 08 07 10 09", new SendSignalRequest { Process = new() { Pid = 7 }, Signal = Signal.Sigkill });
        AssertBytes("0A 03 12 01 74 12 03 12 01 78", new SendInputRequest { Process = new() { Tag = "t" }, Input = new() { Pty = ByteString.CopyFromUtf8("x") } });
        AssertBytes("0A 04 0A 02 08 07", new StreamInputRequest { Start = new() { Process = new() { Pid = 7 } } });
        AssertBytes("12 05 12 03 0A 01 78", new StreamInputRequest { Data = new() { Input = new() { Stdin = ByteString.CopyFromUtf8("x") } } });
        AssertBytes("0A 01 70 10 01 18 01", new WatchDirRequest { Path = "p", Recursive = true, IncludeEntry = true });
        AssertBytes("12 05 0A 01 6E 10 04", new WatchDirResponse { Filesystem = new() { Name = "n", Type = EventType.Rename } });
        AssertBytes("0A 27 0A 01 6E 10 03 1A 01 70 20 05 28 A4 03 32 01 72 3A 01 6F 42 01 67 4A 02 08 01 52 01 74 5A 06 0A 01 6B 12 01 76 60 01", new StatResponse
        {
            Entry = new()
            {
                Name = "n",
                Type = FileType.Symlink,
                Path = "p",
                Size = 5,
                Mode = 420,
                Permissions = "r",
                Owner = "o",
                Group = "g",
                ModifiedTime = new() { Seconds = 1 },
                SymlinkTarget = "t",
                Metadata = { ["k"] = "v" },
                IsSymlink = true,
            },
        });
    }

    [Fact]
    public void The_JSON_form_has_the_names_of_the_contract()
    {
        AssertJson("""{"event":{"data":{"stdout":"eA=="}}}""", new StartResponse { Event = new() { Data = new() { Stdout = ByteString.CopyFromUtf8("x") } } });
        AssertJson("""{"event":{"end":{"exitCode":1,"exited":true,"status":"s"}}}""", new StartResponse { Event = new() { End = new() { ExitCode = 1, Exited = true, Status = "s" } } });
        AssertJson("""{"entry":{"type":"FILE_TYPE_FILE","size":"12","modifiedTime":"1970-01-01T00:00:01Z"}}""", new StatResponse { Entry = new() { Type = FileType.File, Size = 12, ModifiedTime = new() { Seconds = 1 } } });
        AssertJson("""{"filesystem":{"name":"n","type":"EVENT_TYPE_CHMOD"}}""", new WatchDirResponse { Filesystem = new() { Name = "n", Type = EventType.Chmod } });
        AssertJson("""{"start":{}}""", new WatchDirResponse { Start = new() });
        AssertJson("""{"watcherId":"w"}""", new CreateWatcherResponse { WatcherId = "w" });
    }

    [Theory]
    [InlineData("application/json", "json")]
    [InlineData("Application/JSON; charset=utf-8", "json")]
    [InlineData("application/proto", "proto")]
    [InlineData("application/protobuf", null)]
    [InlineData("application/connect+json", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void The_content_type_says_the_form(string? type, string? form) =>
        Assert.Same(form switch { "json" => MessageCodec.Json, "proto" => MessageCodec.Proto, _ => null }, MessageCodec.OfUnary(type));

    private static void ReadOrRefuse(MessageCodec codec, byte[] bytes)
    {
        try
        {
            Assert.NotNull(codec.Read<StartRequest>(bytes));
        }
        catch (ConnectException e)
        {
            Assert.Equal("invalid_argument", e.Code);
        }
    }

    private static void AssertBytes(string hex, IMessage message) =>
        Assert.Equal(hex.Replace(" ", "", StringComparison.Ordinal), Convert.ToHexString(Write(MessageCodec.Proto, message)));

    private static void AssertJson(string json, IMessage message) =>
        Assert.Equal(json, Encoding.UTF8.GetString(Write(MessageCodec.Json, message)).Replace(" ", "", StringComparison.Ordinal));

    private static byte[] Write(MessageCodec codec, IMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        codec.Write(message, buffer);
        return buffer.WrittenSpan.ToArray();
    }

    // Half a surrogate pair is no text.
    private static string Text(NonNull<string> any) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(any.Get));
}
