using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class AuthenticationTests(ServerFixture server)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private string KeysFile => Path.Combine(server.Options.StateDirectory, "keys.json");

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
    public async Task A_wrong_a_cut_and_a_foreign_key_are_refused()
    {
        var foreign = Directory.CreateTempSubdirectory("mitos-keys-").FullName;
        try
        {
            var other = new KeyStore(foreign).Create("other").Key!;
            foreach (var key in new[] { "x", server.Key[..^1], server.Key + "0", server.Key.ToUpperInvariant(), other, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(server.Key))) })
            {
                using var client = server.Connect(key);
                await client.GetAsync("v1/sandboxes").RefusedAsync(401);
            }
        }
        finally
        {
            Directory.Delete(foreign, recursive: true);
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
    public async Task Keys_are_stored_hashed_in_files_that_only_the_owner_reads()
    {
        var created = await server.Http.PostJsonAsync("v1/keys", """{"name":"hashed"}""").ReadAsync<KeyBody>();
        var text = await File.ReadAllTextAsync(KeysFile);
        Assert.DoesNotContain(created.Key!, text, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Key, text, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(created.Key!))), text, StringComparison.Ordinal);
        Assert.Equal(Private, File.GetUnixFileMode(KeysFile));
        Assert.Equal(Private, File.GetUnixFileMode(Path.Combine(server.Options.StateDirectory, "api-key")));
        await server.Http.DeleteAsync($"v1/keys/{created.Id}").DoneAsync();
    }

    [Fact]
    public void The_last_key_stays_and_a_leftover_draft_with_a_loose_mode_does_no_harm()
    {
        var directory = Directory.CreateTempSubdirectory("mitos-keys-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(directory, "keys.json.new"), "a draft");
            var store = new KeyStore(directory);
            Assert.Equal(Private, File.GetUnixFileMode(Path.Combine(directory, "keys.json")));
            var refusal = Assert.Throws<SandboxException>(() => store.Delete(store.List()[0].Id));
            Assert.Equal(ErrorCode.FailedPrecondition, refusal.Code);
            Assert.True(new KeyStore(directory).IsValid(File.ReadAllText(Path.Combine(directory, "api-key")).Trim()));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[{\"Id\":")]
    public void A_damaged_file_of_keys_is_named_and_left_alone(string content)
    {
        var directory = Directory.CreateTempSubdirectory("mitos-keys-").FullName;
        try
        {
            var path = Path.Combine(directory, "keys.json");
            File.WriteAllText(path, content);
            var refusal = Assert.Throws<SandboxException>(() => new KeyStore(directory));
            Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
            Assert.Equal(content, File.ReadAllText(path));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
