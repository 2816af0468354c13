using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;
using Mitos.Server.Tests.Storage;
using Mitos.TestKit;

namespace Mitos.Server.Tests.Accounts;

public sealed class KeyStoreTests(PostgresServer postgres)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task Only_hashes_are_kept_and_the_first_key_is_for_its_owner_alone(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var path = Path.Combine(scratch.Directory, "api-key");
        var first = (await File.ReadAllTextAsync(path, ServerFixture.Soon)).Trim();
        Assert.Equal(Private, File.GetUnixFileMode(path));
        Assert.NotNull(state.Keys.Find(first));
        var stored = await state.Database.UseAsync(context => context.Keys.SingleAsync());
        Assert.Matches("^e2b_[0-9a-f]{40}$", first);
        var earlier = "mitos_" + first[4..]; // how keys began
        Assert.NotNull(state.Keys.Find(earlier));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(earlier))), stored.Sha256);
        Assert.DoesNotContain(first[10..], $"{stored}", StringComparison.Ordinal);
        Assert.Equal((first[4..8], first[^4..]), (stored.MaskPrefix, stored.MaskSuffix));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_list_of_an_earlier_version_is_taken_over_once(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        const string Old = "mitos_0123456789abcdef0123456789abcdef01234567";
        var list = Path.Combine(scratch.Directory, "keys.json");
        await File.WriteAllTextAsync(list, $$"""[{"Id":"0a0b0c0d","Name":"old","CreatedAt":"2026-11-01T00:00:00+00:00","Sha256":"{{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Old)))}}"}]""", ServerFixture.Soon);
        using (var state = scratch.Open())
        {
            Assert.Equal(("0a0b0c0d", "old", Team.DefaultId), (state.Keys.Find(Old)!.Id, state.Keys.Find(Old)!.Name, state.Keys.Find(Old)!.TeamId));
            Assert.False(File.Exists(list) || File.Exists(Path.Combine(scratch.Directory, "api-key")));
            await state.Keys.CreateAsync(Team.DefaultId, "new");
            await state.Keys.DeleteAsync(null, "0a0b0c0d");
        }
        using var again = scratch.Open();
        Assert.Null(again.Keys.Find(Old));
        Assert.Equal("new", Assert.Single(again.Keys.List(null)).Name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[{\"Id\":")]
    public async Task A_damaged_list_is_named_and_left_alone(string content)
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        var path = Path.Combine(scratch.Directory, "keys.json");
        await File.WriteAllTextAsync(path, content, ServerFixture.Soon);
        var refusal = Assert.Throws<SandboxException>(() => scratch.Open().Dispose());
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(content, await File.ReadAllTextAsync(path, ServerFixture.Soon));
    }

    [Fact]
    public async Task The_last_key_of_the_default_team_stays_and_another_team_s_cannot_be_touched()
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        using var state = scratch.Open();
        var first = Assert.Single(state.Keys.List(null));
        Assert.Equal(ErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<SandboxException>(() => state.Keys.DeleteAsync(null, first.Id))).Code);
        var (other, secret) = await state.Keys.CreateAsync("another", "other");
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<SandboxException>(() => state.Keys.DeleteAsync("another", first.Id))).Code);
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<SandboxException>(() => state.Keys.RenameAsync(Team.DefaultId, other.Id, "x"))).Code);
        await state.Keys.RenameAsync("another", other.Id, "renamed");
        Assert.Equal("renamed", state.Keys.Find(secret)!.Name);
        await state.Keys.DeleteAsync("another", other.Id);
        Assert.Null(state.Keys.Find(secret));
    }

    [Fact]
    public async Task The_last_use_is_written_at_most_once_a_minute()
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        using var state = scratch.Open();
        var time = new SetTime(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
        var keys = new KeyStore(state.Database, scratch.Directory, time);
        Assert.Null(keys.List(null)[0].LastUsedAt);
        var first = time.Now;
        await UseAsync();
        Assert.Equal(first, keys.List(null)[0].LastUsedAt);
        time.Now += TimeSpan.FromSeconds(59);
        await UseAsync();
        Assert.Equal(first, keys.List(null)[0].LastUsedAt);
        time.Now += TimeSpan.FromSeconds(1);
        await UseAsync();
        Assert.Equal(time.Now.ToUnixTimeMilliseconds(), await state.Database.UseAsync(context => context.Keys.Select(key => key.LastUsedAtMs).SingleAsync()));

        async Task UseAsync()
        {
            keys.Use(keys.List(null)[0]);
            await keys.RenameAsync(null, keys.List(null)[0].Id, "behind it"); // writes come in turn
        }
    }
}
