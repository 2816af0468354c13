using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Mitos.EndToEnd.Hosting;

/// <summary>What a daemon wrote down, compared: its database, its journals, and the files that memory is kept in.</summary>
internal sealed class Ledger(Daemon daemon)
{
    private static readonly string[] States = ["pending", "running", "paused", "stopped"]; // LeaseState

    /// <summary>Every disagreement.</summary>
    public async Task<List<string>> DisagreementsAsync()
    {
        var problems = new List<string>();
        var sandboxes = await daemon.ListAsync();
        await using var database = new SqliteConnection($"Data Source={Path.Combine(daemon.StateDirectory, "mitos.db")};Mode=ReadOnly;Pooling=False");
        await database.OpenAsync();
        Compare("lease", sandboxes.Select(sandbox => $"{sandbox.Id} {sandbox.State} {(sandbox.EndsAt ?? DateTimeOffset.MaxValue).ToUnixTimeMilliseconds()}"), Read(database, "SELECT Id, State, EndAtMs FROM leases").Select(row => $"{row[0]} {States[int.Parse(row[1])]} {row[2]}"));
        var events = Read(database, "SELECT SandboxId, Type FROM events ORDER BY Sequence").ToLookup(row => row[0], row => row[1].Split('.')[^1]);
        foreach (var sandbox in sandboxes)
        {
            var lived = events[sandbox.Id].Where(type => type is "created" or "paused" or "resumed" or "killed").ToList();
            if (lived.FirstOrDefault() != "created" || lived.Count(type => type == "created") != 1 || lived.Zip(lived.Skip(1)).Any(pair => pair.First == pair.Second) || lived[^1] == "paused" != (sandbox.State == "paused"))
                problems.Add($"sandbox {sandbox.Id} is {sandbox.State}, and its events are {string.Join(' ', lived)}");
        }
        var records = Directory.EnumerateDirectories(Path.Combine(daemon.StateDirectory, "snapshots")).Select(path => (Path: path, Json: JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path, "snapshot.json"))).RootElement)).ToList();
        Compare("owner of snapshot", records.Where(record => !record.Json.TryGetProperty("pausedSandbox", out var of) || of.ValueKind == JsonValueKind.Null).Select(record => record.Json.GetProperty("id").GetString()!), Read(database, "SELECT Id FROM snapshots").Select(row => row[0]));
        foreach (var (path, json) in records.Where(record => !record.Json.GetProperty("filesOnly").GetBoolean()))
        {
            if (ChecksumOf(await File.ReadAllBytesAsync(Path.Combine(path, "capture"))) != json.GetProperty("checksum").GetString())
                problems.Add($"the memory in {path} is not what its record says");
        }
        return problems;

        void Compare(string what, IEnumerable<string> expected, IEnumerable<string> found)
        {
            var (wanted, there) = (expected.ToHashSet(), found.ToHashSet());
            problems.AddRange(there.Except(wanted).Select(item => $"{what} {item} is in the database only"));
            problems.AddRange(wanted.Except(there).Select(item => $"{what} {item} is not in the database"));
        }
    }

    // By the description of the format: header, regions with their runs, device state; then pieces, each with its length before it.
    private static string ChecksumOf(byte[] capture)
    {
        var at = 16;
        for (var region = Int(12); region > 0; region--)
            at += 20 + (8 * Int(at + 16));
        at += Int(8);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(capture, 0, at);
        for (int length; at < capture.Length; at += length)
        {
            length = 4 + Int(at);
            hash.AppendData(XxHash128.Hash(capture.AsSpan(at, length)));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        int Int(int place) => BinaryPrimitives.ReadInt32LittleEndian(capture.AsSpan(place));
    }

    private static List<string[]> Read(SqliteConnection database, string query)
    {
        using var command = database.CreateCommand();
        command.CommandText = query;
        using var reader = command.ExecuteReader();
        var rows = new List<string[]>();
        while (reader.Read())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetString)]);
        return rows;
    }
}
