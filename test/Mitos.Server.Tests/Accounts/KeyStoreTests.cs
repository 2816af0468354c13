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

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_key_is_valid_until_its_end_to_the_millisecond_also_after_a_restart(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var time = new SetTime(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
        var keys = new KeyStore(state.Database, scratch.Directory, time);
        var end = time.Now.AddDays(30).AddMilliseconds(1);
        var (key, secret) = await keys.CreateAsync(Team.DefaultId, "visitor", expiresAt: end);
        var (_, endless) = await keys.CreateAsync(Team.DefaultId, "endless");
        Assert.Equal(end, key.ExpiresAt);
        time.Now = end.AddMilliseconds(-1);
        keys.Use(keys.Find(secret)!); // what is written of it meanwhile does not make it live longer
        await keys.RenameAsync(null, key.Id, "renamed");
        Assert.Equal((key.Id, null), (keys.Find(secret)?.Id, keys.FindExpired(secret)));
        foreach (var store in new[] { keys, new KeyStore(state.Database, scratch.Directory, time) })
        {
            time.Now = end;
            Assert.Equal((null, key.Id), (store.Find(secret)?.Id, store.FindExpired(secret)?.Id));
            Assert.Equal((null, key.Id), (store.Find("mitos_" + secret[4..])?.Id, store.FindExpired("mitos_" + secret[4..])?.Id));
            Assert.NotNull(store.Find(endless));
            Assert.Null(store.FindExpired(endless));
            Assert.Null(store.FindExpired("mitos_" + new string('0', KeyStore.SecretLength)));
            time.Now = end.AddMilliseconds(-1);
            Assert.NotNull(store.Find(secret));
        }
        Assert.Equal(["default", "endless", "renamed"], keys.List(null).Select(listed => listed.Name).Order()); // one that expired is still shown
    }

    [Fact]
    public async Task A_key_that_expires_makes_none_that_outlives_it_and_counts_for_the_last_one_while_it_is_valid()
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        using var state = scratch.Open();
        var time = new SetTime(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
        var keys = new KeyStore(state.Database, scratch.Directory, time);
        var first = Assert.Single(keys.List(null));
        var end = time.Now.AddHours(1);
        var (maker, _) = await keys.CreateAsync(Team.DefaultId, "maker", first.Id, end);
        Assert.Equal(end, (await keys.CreateAsync("another", "child", maker.Id)).Key.ExpiresAt);
        Assert.Equal(end, (await keys.CreateAsync("another", "child", maker.Id, end)).Key.ExpiresAt);
        foreach (var wrong in new[] { end.AddMilliseconds(1), time.Now, time.Now.AddYears(-1) })
            Assert.Equal(ErrorCode.InvalidArgument, (await Assert.ThrowsAsync<SandboxException>(() => keys.CreateAsync("another", "child", maker.Id, wrong))).Code);
        time.Now = end;
        Assert.Equal(ErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<SandboxException>(() => keys.DeleteAsync(null, first.Id))).Code); // the other has expired
        await keys.DeleteAsync(null, maker.Id);
        Assert.Equal(ErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<SandboxException>(() => keys.DeleteAsync(null, first.Id))).Code);
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
