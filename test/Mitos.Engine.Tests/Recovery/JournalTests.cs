using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Recovery;

public sealed class JournalTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private string FilePath => _scratch["record.json"];

    [Fact]
    public void What_was_written_is_read_and_nothing_else_is_left()
    {
        var record = Records.Sandbox(name: "ünïcode ✓", state: SandboxState.Running);
        Write(record with { Name = "before" });
        Write(record);
        Assert.Equivalent(record, Read(), strict: true);
        Assert.Equal([FilePath], Directory.GetFiles(_scratch.Root));
    }

    [Fact]
    public void A_writer_killed_at_any_byte_leaves_the_old_record()
    {
        var old = Records.Sandbox(name: "old");
        Write(old);
        var bytes = Encode(old with { Name = "new" });
        for (var length = 0; length <= bytes.Length; length++)
        {
            File.WriteAllBytes(FilePath + ".new", bytes[..length]); // as it is before the rename
            Assert.Equivalent(old, Read(), strict: true);
        }
        Write(old with { Name = "newer" });
        Assert.Equal("newer", Read()!.Name);
        Assert.False(File.Exists(FilePath + ".new"));
    }

    [Fact]
    public void A_record_cut_at_any_byte_is_no_record_and_never_another()
    {
        var bytes = Encode(Records.Sandbox(name: "whole"));
        for (var length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(FilePath, bytes[..length]);
            Assert.Null(Read());
            File.WriteAllBytes(FilePath, [.. bytes[..length], .. new byte[bytes.Length - length]]); // a disk that lost its tail
            Assert.Null(Read());
        }
        Assert.True(bytes.Length > 500);
    }

    [Fact]
    public void Any_byte_changed_gives_no_record_or_one_that_can_be_worked_with()
    {
        var bytes = Encode(Records.Sandbox(name: "whole"));
        var refused = 0;
        for (var at = 0; at < bytes.Length; at++)
        {
            foreach (var change in (byte[])[0x01, 0x20, 0x80])
            {
                bytes[at] ^= change;
                File.WriteAllBytes(FilePath, bytes);
                if (Read() is { IsSound: true } record)
                    _ = new Sandbox(record, null, null).Describe();
                else
                    refused++;
                bytes[at] ^= change;
            }
        }
        Assert.InRange(refused, bytes.Length, bytes.Length * 3);
    }

    [Fact]
    public void A_field_that_is_missing_null_or_of_another_kind_makes_it_no_record()
    {
        var whole = JsonNode.Parse(Encode(Records.Sandbox()))!.AsObject();
        string[] optional = ["name", "stoppedAt", "stopReason", "forkId", "forkIndex", "snapshot", "filesOnly", "scope"];
        foreach (var field in whole.Select(pair => pair.Key).ToList())
        {
            foreach (var damaged in new[] { Without(whole, field), With(whole, field, null), With(whole, field, new JsonArray(new JsonArray())) })
            {
                File.WriteAllText(FilePath, damaged.ToJsonString());
                if (Read() is not null)
                    Assert.Contains(field, optional);
            }
        }
        foreach (var text in (string[])["", "null", "[]", "{}", "12", "\"text\"", "{\"id\":", "\0\0\0\0", new string('[', 100_000)])
        {
            File.WriteAllText(FilePath, text);
            Assert.Null(Read());
        }
    }

    [Fact]
    public async Task A_reader_sees_the_old_or_the_new_at_every_moment()
    {
        var record = Records.Sandbox(name: "0");
        Write(record);
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            for (var i = 1; !stop.IsCancellationRequested; i++)
                Write(record with { Name = i.ToString(), AccessToken = new string((char)('a' + (i % 26)), i % 3000) });
        });
        var last = 0;
        for (var i = 0; i < 5000; i++)
        {
            var read = Read();
            Assert.NotNull(read);
            var now = int.Parse(read.Name!);
            Assert.True(now >= last, "an older record came back");
            Assert.All(read.AccessToken, letter => Assert.True(now == 0 || letter == 'a' + (now % 26)));
            last = now;
        }
        stop.Cancel();
        await writing;
        Assert.True(last > 0);
    }

    [Fact]
    public void A_write_that_fails_leaves_the_old_record_and_no_draft()
    {
        var old = Records.Sandbox(name: "old");
        Directory.CreateDirectory(_scratch["sub"]);
        Assert.Throws<DirectoryNotFoundException>(() => Journal.Write(_scratch["none/record.json"], old, EngineJson.Default.SandboxRecord));
        Directory.CreateDirectory(FilePath); // a rename onto a directory is refused
        Assert.ThrowsAny<Exception>(() => Write(old));
        Assert.Empty(Directory.GetFiles(_scratch.Root));
    }

    [Fact]
    public void Drafts_of_writers_that_were_killed_are_deleted_and_records_stay()
    {
        Write(Records.Sandbox());
        File.WriteAllText(_scratch["other.json.new"], "{");
        Journal.DeleteDrafts(_scratch.Root);
        Assert.Equal([FilePath], Directory.GetFiles(_scratch.Root));
    }

    public void Dispose() => _scratch.Dispose();

    private void Write(SandboxRecord record) => Journal.Write(FilePath, record, EngineJson.Default.SandboxRecord);

    private SandboxRecord? Read() => Journal.TryRead(FilePath, EngineJson.Default.SandboxRecord);

    private byte[] Encode(SandboxRecord record)
    {
        Journal.Write(_scratch["encoded"], record, EngineJson.Default.SandboxRecord);
        var bytes = File.ReadAllBytes(_scratch["encoded"]);
        File.Delete(_scratch["encoded"]);
        Assert.EndsWith("}", Encoding.UTF8.GetString(bytes).TrimEnd(), StringComparison.Ordinal);
        return bytes;
    }

    private static JsonObject Without(JsonObject whole, string field)
    {
        var copy = (JsonObject)whole.DeepClone();
        copy.Remove(field);
        return copy;
    }

    private static JsonObject With(JsonObject whole, string field, JsonNode? value)
    {
        var copy = (JsonObject)whole.DeepClone();
        copy[field] = value;
        return copy;
    }
}
