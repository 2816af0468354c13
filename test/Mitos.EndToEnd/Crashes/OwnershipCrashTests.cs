using System.Net;
using System.Text;
using System.Text.Json;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

public sealed class OwnershipCrashTests(Daemon daemon) : OwnershipCrashes(daemon), IClassFixture<Daemon>;

public sealed class PostgresOwnershipCrashTests(PostgresDaemon daemon) : OwnershipCrashes(daemon), IClassFixture<PostgresDaemon>;

/// <summary>The daemon is killed while a team's sandboxes are being made. None is lost, doubled, or without an owner; whichever database keeps them.</summary>
public abstract class OwnershipCrashes(Daemon daemon)
{
    private const int Count = 6;

    [Fact]
    public async Task Creates_that_are_repeated_after_a_crash_make_each_sandbox_once_and_its_owner_has_it()
    {
        using var http = new HttpClient { BaseAddress = daemon.Address };
        http.DefaultRequestHeaders.Add("X-API-KEY", await TeamKeys.MakeAsync(daemon, "red"));
        var first = Enumerable.Range(0, Count).Select(i => CreateAsync(http, i)).ToList();
        await Task.WhenAny(first);
        await daemon.KillAsync();
        var answered = await Task.WhenAll(first);
        Assert.Contains(answered, id => id is not null);

        await daemon.UpAsync();
        var again = await Task.WhenAll(Enumerable.Range(0, Count).Select(i => CreateAsync(http, i)));
        Assert.All(answered.Zip(again).Where(pair => pair.First is not null), pair => Assert.Equal(pair.First, pair.Second));
        Assert.Equal(Count, again.OfType<string>().Distinct().Count());
        Assert.Equal(again.Order(), (await ReadAsync(http, "v2/sandboxes")).Select(sandbox => sandbox.GetProperty("sandboxID").GetString()).Order());
        Assert.Equal(again.Order(), (await daemon.ListAsync()).Select(sandbox => sandbox.Id).Order()); // the administrator sees no other
        foreach (var id in again)
            Assert.Equal(["sandbox.lifecycle.created"], await EventsAsync(http, id!));

        // of those that end while no daemon looks, the end is written by the next
        await daemon.KillAsync();
        await daemon.UpAsync();
        (await daemon.MitosAsync("rm", "--all")).Ok();
        foreach (var id in again)
            Assert.Equal(["sandbox.lifecycle.created", "sandbox.lifecycle.killed"], await EventsAsync(http, id!));
    }

    /// <returns>The id; null: the daemon ended meanwhile.</returns>
    private static async Task<string?> CreateAsync(HttpClient http, int index)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v2/sandboxes")
        {
            Content = new StringContent($$"""{"templateID":"base","timeout":3600,"metadata":{"index":"{{index}}"} }""", Encoding.UTF8, "application/json"),
            Headers = { { "Idempotency-Key", $"create-{index}" } },
        };
        try
        {
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True(response.StatusCode == HttpStatusCode.Created, $"{response.StatusCode} {text}");
            return JsonDocument.Parse(text).RootElement.GetProperty("sandboxID").GetString();
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task<List<string>> EventsAsync(HttpClient http, string id) =>
        (await ReadAsync(http, $"events/sandboxes/{id}?orderAsc=true&limit=100")).Select(one => one.GetProperty("type").GetString()!).ToList();

    private static async Task<List<JsonElement>> ReadAsync(HttpClient http, string path) =>
        JsonDocument.Parse(await http.GetStringAsync(path, TestContext.Current.CancellationToken)).RootElement.EnumerateArray().ToList();
}
