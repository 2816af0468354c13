using System.Net.Sockets;
using System.Text;

namespace Mitos.Server.Tests.Hostile;

/// <summary>Clients of every route that takes a body: those who send it slowly are served, those who close their side in the middle of it get a refusal at most, and nothing comes of it.</summary>
public sealed class SlowClientTests(ServerFixture server)
{
    private const string Unknown = "nobody-has-this-name";

    private List<Route> Routes => Route.AllOf(server).Where(route => route.TakesBody && route.NeedsKey).ToList();

    [Fact]
    public async Task Bodies_that_come_slowly_are_answered_everywhere()
    {
        var before = Count();
        var open = new List<(Route Route, TcpClient Client)>();
        foreach (var route in Routes)
            open.Add((route, await BeginAsync(route)));
        Assert.True(open.Count > 25, $"only {open.Count} routes");
        foreach (var (_, client) in open) // all wait in the middle of a body meanwhile
            await client.GetStream().WriteAsync(SecondHalf, ServerFixture.Soon);
        foreach (var (route, client) in open)
        {
            var answer = await ReadToEndAsync(client);
            Assert.True(answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{route}: {answer}");
        }
        Assert.Equal(before, Count());
    }

    [Fact]
    public async Task Bodies_that_end_in_the_middle_are_refused_everywhere_and_nothing_comes_of_them()
    {
        var before = Count();
        foreach (var route in Routes)
        {
            var client = await BeginAsync(route);
            var answer = await ReadToEndAsync(client, half: true);
            Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{route}: {answer}");
        }
        Assert.Equal(before, Count());
    }

    [Fact]
    public async Task Clients_that_close_their_side_when_they_have_asked_hold_nothing()
    {
        foreach (var route in Route.AllOf(server).Where(route => !route.TakesBody))
        {
            using var client = new TcpClient();
            await client.ConnectAsync(server.Address.Host, server.Address.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"{Head(route)}\r\n"), ServerFixture.Soon);
            var answer = await ReadToEndAsync(client, half: true);
            Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 ", StringComparison.Ordinal), $"{route}: {answer}");
        }
    }

    private static byte[] FirstHalf => Encoding.ASCII.GetBytes(RouteTests.Body[..40]);

    private static byte[] SecondHalf => Encoding.ASCII.GetBytes(RouteTests.Body[40..]);

    private async Task<TcpClient> BeginAsync(Route route)
    {
        var client = new TcpClient();
        await client.ConnectAsync(server.Address.Host, server.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"{Head(route)}Content-Type: application/json\r\nContent-Length: {RouteTests.Body.Length}\r\n\r\n"), ServerFixture.Soon);
        await client.GetStream().WriteAsync(FirstHalf, ServerFixture.Soon);
        return client;
    }

    private string Head(Route route) => $"{route.Method} /{route.At(_ => Unknown, "?path=x")} HTTP/1.1\r\nHost: {server.Address.Authority}\r\nConnection: close\r\nX-API-Key: {server.Key}\r\n";

    private static async Task<string> ReadToEndAsync(TcpClient client, bool half = false)
    {
        using (client)
        {
            using var answer = new MemoryStream();
            try
            {
                var stream = client.GetStream(); // there is none any more when a side is closed
                if (half)
                    client.Client.Shutdown(SocketShutdown.Send);
                await stream.CopyToAsync(answer, ServerFixture.Soon);
            }
            catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
            {
                // what was sent behind a refusal is not read
            }
            return Encoding.UTF8.GetString(answer.ToArray());
        }
    }

    private (int Keys, int Teams, int Sandboxes, int Snapshots, int Templates) Count() =>
        (server.State.Keys.List(null).Count, server.State.Teams.All.Count, server.Engine.Sandboxes.List().Count, server.Engine.Snapshots.List().Count, server.Engine.Templates.List().Count);
}
