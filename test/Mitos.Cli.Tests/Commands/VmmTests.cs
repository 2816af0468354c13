using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>vmm install, from a directory that has releases as Firecracker's page has them.</summary>
public sealed class VmmTests : IDisposable
{
    private const string Name = "firecracker-v1.16.1-x86_64";
    private readonly Installation _mitos = new();
    private readonly string _here = Directory.CreateTempSubdirectory("mitos-vmm-").FullName;

    public VmmTests() => Release($"release-v1.16.1-x86_64/{Name}", "#!/bin/sh\necho Firecracker v1.16.1\n");

    private string Target => Path.Combine(_here, "bin", "firecracker");

    public void Dispose() => Directory.Delete(_here, recursive: true);

    [Fact]
    public async Task A_release_is_checked_and_installed_executable()
    {
        var installed = (await InstallAsync("--json")).Json();
        Assert.Equal(("1.16.1", Target), (installed.Text("version"), installed.Text("path")));
        Assert.Equal("Firecracker v1.16.1", (await _mitos.ShellAsync(Target)).Ok());
        Assert.Contains("--self-test", (await InstallAsync()).Ok(), StringComparison.Ordinal); // again
    }

    [Fact]
    public async Task What_is_not_what_its_sum_says_is_refused_and_what_was_there_stays()
    {
        (await InstallAsync()).Ok();
        var before = File.ReadAllBytes(Target);
        Release($"release-v1.16.1-x86_64/{Name}", "another");
        File.WriteAllText($"{_here}/v1.16.1/{Name}.tgz.sha256.txt", new string('0', 64) + $"  {Name}.tgz\n");
        (await InstallAsync()).Refused(4, "SHA-256", new string('0', 64), "nothing was installed");
        Release("release-v1.16.1-x86_64/something-else", "another");
        (await InstallAsync()).Refused(4, Name, "official archive");
        File.Delete($"{_here}/v1.16.1/{Name}.tgz");
        (await InstallAsync()).Refused(3, $"{Name}.tgz", "--from DIRECTORY", Target);
        (await _mitos.RunAsync("vmm", "install", "firecracker", "--from", "http://127.0.0.1:1/x", "--to", Target)).Refused(6, "cannot be fetched", "--from DIRECTORY");
        (await _mitos.RunAsync("vmm", "install", "firecracker", "--from", "nonsense", "--to", Target)).Refused(3, "nonsense", "--from DIRECTORY");
        (await _mitos.RunAsync("vmm", "install", "bochs")).Refused(2, "bochs");
        Assert.Equal(before, File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFiles(Path.Combine(_here, "bin")));
    }

    private Task<Result> InstallAsync(params string[] more) => _mitos.RunAsync(["vmm", "install", "firecracker", "--from", _here, "--to", Target, .. more]);

    private void Release(string entry, string content)
    {
        var path = Directory.CreateDirectory($"{_here}/v1.16.1").FullName + $"/{Name}.tgz";
        using (var zipped = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        using (var writer = new TarWriter(zipped))
            writer.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, entry) { DataStream = new MemoryStream(System.Text.Encoding.ASCII.GetBytes(content)) });
        File.WriteAllText(path + ".sha256.txt", $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}  {Name}.tgz\n");
    }
}
