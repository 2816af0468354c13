using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class AuthenticationTests(ServerFixture server)
{
    [Fact]
    public async Task Every_route_but_health_needs_a_key()
    {
        using var plain = server.Connect(null);
        foreach (var operation in server.Api.Operations.Where(operation => operation.Id != "getHealth"))
        {
            using var request = new HttpRequestMessage(new HttpMethod(operation.Method), operation.At(_ => "x"));
            var error = await plain.SendAsync(request).RefusedAsync(401);
            Assert.Equal(ErrorCodes.Unauthenticated, error.Code);
            Assert.Contains("Authorization: Bearer", error.Remedy, StringComparison.Ordinal);
        }
        await plain.GetAsync("health").ReadAsync();
    }

    [Fact]
    public async Task A_key_is_taken_from_either_header()
    {
        using var plain = server.Connect(null);
        plain.DefaultRequestHeaders.Add("X-API-Key", server.Key);
        await plain.GetAsync("v1/sandboxes").ReadAsync();
        plain.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("bearer", server.Key);
        await plain.GetAsync("v1/sandboxes").ReadAsync();
    }

    [Fact]
    public async Task A_wrong_and_a_cut_key_are_refused()
    {
        foreach (var key in new[] { "x", server.Key[..^1], server.Key + "0", server.Key.ToUpperInvariant(), "mitos_" + new string('0', 40), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(server.Key))) })
        {
            using var client = server.Connect(key);
            await client.GetAsync("v1/sandboxes").RefusedAsync(401);
        }
    }

    [Fact]
    public async Task A_key_works_from_its_creation_to_its_deletion_and_is_shown_once()
    {
        var created = await server.Http.PostJsonAsync("v1/keys", """{"name":"ci"}""").ReadAsync<KeyBody>();
        using var client = server.Connect(created.Key);
        var listed = Assert.Single(await client.GetAsync("v1/keys").ReadAsync<List<KeyBody>>(), key => key.Id == created.Id);
        Assert.Equal(("ci", null), (listed.Name, listed.Key));
        await client.DeleteAsync($"v1/keys/{created.Id}").DoneAsync();
        await client.GetAsync("v1/keys").RefusedAsync(401);
        await server.Http.DeleteAsync($"v1/keys/{created.Id}").RefusedAsync(404);
    }

    [Fact]
    public async Task A_stream_goes_on_when_its_key_expires_and_another_is_not_opened()
    {
        var sandbox = await server.ShareAsync();
        for (var life = TimeSpan.FromSeconds(2); ; life *= 2) // until the stream is open before it ends
        {
            var key = await ExpiredKey.MakeAsync(server, life);
            using var client = MitosClient.Remote(server.Address, key.Key!);
            try
            {
                using var session = await client.OpenExecAsync(sandbox, new ExecRequest { Argv = ["cat"], Stdin = true });
                await ExpiredKey.WaitAsync(key);
                var refusal = await Assert.ThrowsAsync<MitosException>(() => client.OpenExecAsync(sandbox, new ExecRequest { Argv = ["true"] }));
                Assert.Equal(ErrorCodes.Unauthenticated, refusal.Code);
                Assert.Contains("expired", (await Assert.ThrowsAsync<MitosException>(() => client.ListAsync())).Message, StringComparison.Ordinal);
                await session.WriteAsync("still here"u8.ToArray());
                await session.CloseStdinAsync();
                var output = new MemoryStream();
                await foreach (var (_, bytes) in session.ReadAsync(ServerFixture.Soon))
                    output.Write(bytes.Span);
                Assert.Equal(("still here", 0), (Encoding.UTF8.GetString(output.ToArray()), session.ExitCode));
                return;
            }
            catch (MitosException e) when (e.Code == ErrorCodes.Unauthenticated && life < ServerFixture.Limit)
            {
                continue;
            }
            finally
            {
                await server.Http.DeleteAsync($"v1/keys/{key.Id}").DoneAsync();
            }
        }
    }
}
