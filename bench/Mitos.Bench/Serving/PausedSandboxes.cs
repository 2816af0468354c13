using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Mitos.Bench.Serving;

/// <summary>
/// Many paused sandboxes. One is made and paused by the daemon; while that is down its journal and its snapshot are written again under
/// other ids, as so many pauses would have left them (their captures only of the first ten: listing does not read them).
/// </summary>
internal sealed class PausedSandboxes(DaemonUnderTest daemon, E2BClient client)
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789";

    public async Task MakeAsync(int count)
    {
        var first = await client.CreateAsync();
        await client.PauseAsync(first.Id);
        await daemon.StopAsync();
        var journals = Path.Combine(daemon.State, "sandboxes");
        var snapshots = Path.Combine(daemon.State, "snapshots");
        var journal = JsonNode.Parse(File.ReadAllText(Path.Combine(journals, first.Id + ".json")))!;
        var snapshot = (string)journal["snapshot"]!;
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(snapshots, snapshot, "snapshot.json")))!;
        var capture = File.ReadAllBytes(Path.Combine(snapshots, snapshot, "capture"));
        for (var i = 1; i < count; i++)
        {
            var (id, kept) = ("i" + RandomNumberGenerator.GetString(Letters, first.Id.Length - 1), RandomNumberGenerator.GetString(Letters, snapshot.Length));
            var created = DateTimeOffset.UtcNow.AddSeconds(-i).ToString("O");
            (journal["id"], journal["snapshot"], journal["createdAt"], journal["accessToken"]) = (id, kept, created, RandomNumberGenerator.GetHexString(48, lowercase: true));
            (record["id"], record["pausedSandbox"], record["source"]!["id"]) = (kept, id, id);
            var directory = Directory.CreateDirectory(Path.Combine(snapshots, kept)).FullName;
            File.WriteAllText(Path.Combine(directory, "snapshot.json"), record.ToJsonString());
            if (i < 10)
                File.WriteAllBytes(Path.Combine(directory, "capture"), capture);
            File.WriteAllText(Path.Combine(journals, id + ".json"), journal.ToJsonString());
        }
        await daemon.StartAsync();
    }
}
