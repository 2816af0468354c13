using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>One byte of a generation is another while the daemon is down. A wrong guest must never come of it.</summary>
public sealed class DamageTests(Daemon daemon) : IClassFixture<Daemon>
{
    [Theory]
    [InlineData("memory")]
    [InlineData("state")]
    [InlineData("generation.json")]
    [InlineData("generation.json", 0)]
    public async Task A_damaged_generation_is_refused_and_up_builds_it_anew(string file, int at = -1)
    {
        var generation = Assert.Single((await daemon.MitosAsync("template", "ls", "--json")).Json(ContractsJson.Default.ListTemplateBody)).Generation;
        await daemon.DownAsync();
        Flip(Path.Combine(daemon.StateDirectory, "generations", generation, file), at);
        await daemon.StartAsync();
        (await daemon.MitosAsync("create")).Refused(at == 0 ? 3 : 4, at == 0 ? "base" : generation, "mitos template build");
        await daemon.UpAsync();
        var rebuilt = Assert.Single((await daemon.MitosAsync("template", "ls", "--json")).Json(ContractsJson.Default.ListTemplateBody));
        Assert.NotEqual(generation, rebuilt.Generation);
        var id = await daemon.CreateAsync();
        Assert.Equal("well", await daemon.ShellAsync(id, "echo well"));
        (await daemon.MitosAsync("rm", id)).Ok();
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(daemon.StateDirectory, "generations")));
    }

    [Fact]
    public async Task A_sandbox_that_runs_is_not_harmed_by_damage_to_the_files_of_its_generation()
    {
        var id = await daemon.CreateAsync();
        await daemon.ShellAsync(id, "echo kept >/root/kept");
        await daemon.DownAsync();
        Flip(Path.Combine(daemon.StateDirectory, "generations", (await SavedGenerationAsync()), "memory"));
        await daemon.UpAsync();
        var child = Assert.Single(await daemon.ForkAsync(id, 1));
        Assert.Equal("kept", await daemon.ShellAsync(child, "cat /root/kept"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
        await daemon.DownAsync(); // forgets the good copy in memory
        await daemon.UpAsync(); // builds it anew, since nobody lives on it
    }

    private Task<string> SavedGenerationAsync() => Task.FromResult(Path.GetFileName(Assert.Single(Directory.EnumerateDirectories(Path.Combine(daemon.StateDirectory, "generations")))));

    // Unless said where: in the middle of the file's first data; of text, in the checksum.
    private static void Flip(string path, int at = -1)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        var bytes = new byte[Math.Min(RandomAccess.GetLength(file), 64L << 20)];
        RandomAccess.Read(file, bytes, 0);
        if (at < 0)
            at = path.EndsWith(".json", StringComparison.Ordinal) ? bytes.AsSpan().IndexOf("\"checksum\""u8) + 20 : Array.FindIndex(bytes, bytes.Length / 2, value => value != 0);
        Assert.True(at >= 0, $"{path} has nothing to damage");
        RandomAccess.Write(file, [(byte)(bytes[at] ^ 1)], at);
    }
}
