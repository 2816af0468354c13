using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Gateway;
using Mitos.Server.Tests.Files;

namespace Mitos.Server.Tests.Gateway;

/// <summary>What reaches a server in a sandbox, and what comes back.</summary>
public sealed class ForwardingTests(DomainFixture domain) : IClassFixture<DomainFixture>
{
    /// <summary>More than any limit of the control plane, and than what all buffers on the way hold.</summary>
    private const int Large = 40 << 20;

    [Fact]
    public async Task A_server_that_listens_on_an_IPv6_loopback_only_is_reached_too()
    {
        using var http = domain.Connect();
        Assert.StartsWith("::1 ", await http.GetStringAsync(domain.Url(DomainFixture.PortOfV6, "/where"), ServerFixture.Soon), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Large_bodies_come_through_whole_in_both_directions(string version)
    {
        using var http = domain.Connect(version);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var block = new byte[1 << 16];
        for (var left = Large; left > 0; left -= block.Length)
            digest.AppendData(block);
        using var sent = await http.PostAsync(domain.Url(DomainFixture.Port, "/"), new StreamContent(new Zeros(Large)), ServerFixture.Soon);
        Assert.Equal($"{Large} {Convert.ToHexStringLower(digest.GetHashAndReset())}", await sent.Content.ReadAsStringAsync());
        await using var got = await http.GetStreamAsync(domain.Url(DomainFixture.Port, $"/zeros/{Large}"), ServerFixture.Soon);
        var size = 0;
        for (int count; (count = await got.ReadAsync(block)) > 0; size += count)
            Assert.False(block.AsSpan(0, count).ContainsAnyExcept((byte)0));
        Assert.Equal(Large, size);
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task A_stream_is_not_held_back(string version)
    {
        using var http = domain.Connect(version);
        using var response = await http.GetAsync(domain.Url(DomainFixture.Port, "/stream"), HttpCompletionOption.ResponseHeadersRead, ServerFixture.Soon);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("data: one", await lines.ReadLineAsync(ServerFixture.Soon)); // the server waits for us now
        using var release = await http.GetAsync(domain.Url(DomainFixture.Port, "/release"), ServerFixture.Soon);
        Assert.Equal("", await lines.ReadLineAsync(ServerFixture.Soon));
        Assert.Equal("data: two", await lines.ReadLineAsync(ServerFixture.Soon));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task WebSockets_are_carried(string version)
    {
        using var invoker = new HttpMessageInvoker(domain.Handler());
        using var socket = new ClientWebSocket { Options = { HttpVersion = Version.Parse(version), HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact } };
        await socket.ConnectAsync(domain.Url(DomainFixture.Port, "/socket", scheme: "wss"), invoker, ServerFixture.Soon);
        var buffer = new byte[4096];
        foreach (var text in new[] { "hello", new string('x', 3000) })
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, ServerFixture.Soon);
            var got = 0;
            ValueWebSocketReceiveResult part;
            do
            {
                part = await socket.ReceiveAsync(buffer.AsMemory(got), ServerFixture.Soon);
                got += part.Count;
            }
            while (!part.EndOfMessage);
            Assert.Equal(text, Encoding.UTF8.GetString(buffer, 0, got));
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", ServerFixture.Soon);
        Assert.Equal(WebSocketState.Closed, socket.State);
    }

    [Fact]
    public async Task A_client_that_goes_away_or_closes_its_half_ends_what_its_server_does_for_it()
    {
        using var http = domain.Connect();
        await using (var tls = await domain.OpenAsync(domain.Host(DomainFixture.Port)))
        {
            await tls.WriteAsync(Encoding.ASCII.GetBytes($"GET /endless HTTP/1.1\r\nHost: {domain.Host(DomainFixture.Port)}\r\n\r\n"), ServerFixture.Soon);
            Assert.True(await tls.ReadAsync(new byte[100], ServerFixture.Soon) > 0); // and reads no more
            await tls.ShutdownAsync();
        }
        Assert.Equal("gone", await http.GetStringAsync(domain.Url(DomainFixture.Port, "/gone"), ServerFixture.Soon));
    }

    [Fact]
    public async Task A_client_that_takes_its_time_with_its_request_is_waited_for()
    {
        await using var tls = await domain.OpenAsync(domain.Host(DomainFixture.Port));
        foreach (var part in new[] { "POST / HTT", $"P/1.1\r\nHost: {domain.Host(DomainFixture.Port)}\r\nContent-Le", "ngth: 4\r\n\r\nab", "cd" })
        {
            await tls.WriteAsync(Encoding.ASCII.GetBytes(part), ServerFixture.Soon);
            await Task.Delay(300);
        }
        using var lines = new StreamReader(tls);
        Assert.Equal("HTTP/1.1 200 OK", await lines.ReadLineAsync(ServerFixture.Soon));
    }

    [Fact]
    public async Task An_answer_that_breaks_off_breaks_off_for_the_client_too()
    {
        using var http = domain.Connect();
        var broken = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetByteArrayAsync(domain.Url(DomainFixture.Port, "/cut"), ServerFixture.Soon));
        Assert.True(broken.HttpRequestError is HttpRequestError.ResponseEnded || broken.InnerException is IOException, broken.ToString());
    }

    [Fact]
    public async Task What_a_server_allows_to_pages_is_its_own_to_say()
    {
        using var http = domain.Connect();
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Options })
        {
            using var request = new HttpRequestMessage(method, domain.Url(DomainFixture.Port, "/cors")) { Headers = { { "Origin", "https://a.example" }, { "Access-Control-Request-Method", "GET" } } };
            using var response = await http.SendAsync(request, ServerFixture.Soon);
            Assert.Equal(["https://a.example"], response.Headers.GetValues("Access-Control-Allow-Origin"));
        }
    }

    [Fact]
    public async Task One_sandbox_has_only_so_many_requests_open_and_the_next_one_is_told()
    {
        var open = domain.Server.App.Services.GetRequiredService<OpenRequests>();
        var id = SandboxId.Parse(domain.Id);
        using var http = domain.Connect();
        var entered = 0;
        try
        {
            while (open.TryEnter(id))
                entered++;
            Assert.InRange(entered, open.Limit - 8, open.Limit); // others' last requests may still be ending
            using var refused = await http.GetAsync(domain.Url(DomainFixture.Port, "/"), ServerFixture.Soon);
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.Equal($$"""{"sandboxId":"{{domain.Id}}","message":"The sandbox has too many concurrent incoming connections (limit: {{open.Limit}})","code":429,"connectionLimit":{{open.Limit}}}""",
                await refused.Content.ReadAsStringAsync());
        }
        finally
        {
            while (entered-- > 0)
                open.Leave(id);
        }
        using var served = await http.GetAsync(domain.Url(DomainFixture.Port, "/"), ServerFixture.Soon);
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
    }
}
