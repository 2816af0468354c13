using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Mitos.Engine.Errors;
using Mitos.Engine.Vmm;

namespace Mitos.Engine.Templates;

/// <summary>
/// Debian's cloud kernel: downloaded and unpacked, not installed. Its uncompressed ELF is the LZ4 part of vmlinuz, which a
/// PVH boot enters directly.
/// </summary>
internal sealed partial class KernelPackage(string cacheDirectory)
{
    // In the order in which they are loaded, each after those that it needs.
    private static readonly string[] Modules =
    [
        "virtio_ring", "virtio", "virtio_mmio", "virtio_console", "virtio_blk", "failover", "net_failover", "virtio_net",
        "crc16", "mbcache", "crc32c_generic", "jbd2", "ext4", "overlay",
    ];

    // Only where the agent is reached by it: each costs every fork a little.
    private static readonly string[] VsockModules = ["vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport"];

    // The names are part of the key: an older cache lacks what is new here.
    private static readonly string ModulesKey = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join(' ', Modules.Concat(VsockModules)))))[..4];

    /// <summary>Debian's present kernel, fetched unless it is in the cache; where it cannot be had, the newest of the cache, with the reason.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: the package cannot be had, and the cache has none.</exception>
    public async Task<Kernel> GetAsync(Action<string> line, CancellationToken cancellationToken)
    {
        using var _ = await CacheLock.AcquireAsync(cacheDirectory, "kernel", line, cancellationToken);
        try
        {
            return Open(await FetchPresentAsync(line, cancellationToken), null);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.FailedPrecondition && FindCached() is { } package)
        {
            return Open(package, e.Message);
        }
    }

    private async Task<string> FetchPresentAsync(Action<string> line, CancellationToken cancellationToken)
    {
        var package = await FindPackageAsync(line, cancellationToken);
        try
        {
            await FetchAsync(package, line, cancellationToken);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.FailedPrecondition)
        {
            // a mirror drops what an older list names
            await HostTool.RunAsync("apt-get", ["update"], line, cancellationToken);
            package = await FindPackageAsync(line, cancellationToken);
            await FetchAsync(package, line, cancellationToken);
        }
        return package;
    }

    private string? FindCached() => new DirectoryInfo(cacheDirectory).GetDirectories("kernel-*").OrderByDescending(directory => directory.LastWriteTimeUtc)
        .Select(directory => Cached().Match(directory.Name)).Where(match => match.Success && match.Groups[3].Value == ModulesKey)
        .Select(match => $"{match.Groups[1].Value}={match.Groups[2].Value}").FirstOrDefault();

    private string PathOf(string package) => Path.Combine(cacheDirectory, $"kernel-{package.Replace('=', '-').Replace(':', '-')}-{ModulesKey}");

    private Kernel Open(string package, string? outdated)
    {
        var directory = PathOf(package);
        return new Kernel(Path.Combine(directory, "vmlinux"), PathsOf(Modules), PathsOf(VsockModules), package, outdated);

        List<string> PathsOf(string[] names) => names.Select(name => Path.Combine(directory, "modules", name + ".ko")).Where(File.Exists).ToList();
    }

    private async Task FetchAsync(string package, Action<string> line, CancellationToken cancellationToken)
    {
        var final = PathOf(package);
        if (Directory.Exists(final))
            return;
        var draft = final + $".draft-{Environment.ProcessId}";
        Directory.CreateDirectory(draft);
        try
        {
            await FetchAsync(package, draft, line, cancellationToken);
            Directory.Move(draft, final);
        }
        catch
        {
            Directory.Delete(draft, recursive: true);
            throw;
        }
    }

    private static async Task<string> FindPackageAsync(Action<string> line, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            var text = await ShowAsync(cancellationToken);
            if (Depends().Match(text) is { Success: true } match)
                return $"{match.Groups[1].Value}={match.Groups[2].Value}";
            if (attempt > 0)
                throw new SandboxException(ErrorCode.FailedPrecondition, "The package linux-image-cloud-amd64 is not in this host's package lists.", "Add Debian's main component to /etc/apt/sources.list and run `apt-get update`.");
            await HostTool.RunAsync("apt-get", ["update"], line, cancellationToken);
        }
    }

    // Empty: it is not listed.
    private static async Task<string> ShowAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await HostTool.RunAsync("apt-cache", ["show", "--no-all-versions", "linux-image-cloud-amd64"], null, cancellationToken);
        }
        catch (SandboxException)
        {
            return "";
        }
    }

    private static async Task FetchAsync(string package, string directory, Action<string> line, CancellationToken cancellationToken)
    {
        await HostTool.RunAsync("apt-get", ["download", package], line, cancellationToken, directory);
        var archive = Directory.GetFiles(directory, "*.deb").Single();
        var unpacked = Path.Combine(directory, "unpacked");
        await HostTool.RunAsync("dpkg-deb", ["-x", archive, unpacked], line, cancellationToken);
        ExtractKernel(Directory.GetFiles(Path.Combine(unpacked, "boot"), "vmlinuz-*").Single(), Path.Combine(directory, "vmlinux"));
        Directory.CreateDirectory(Path.Combine(directory, "modules"));
        foreach (var path in Directory.EnumerateFiles(unpacked, "*.ko", SearchOption.AllDirectories))
        {
            if (Modules.Concat(VsockModules).Contains(Path.GetFileNameWithoutExtension(path)))
                File.Copy(path, Path.Combine(directory, "modules", Path.GetFileName(path)));
        }
        Directory.Delete(unpacked, recursive: true);
        File.Delete(archive);
    }

    private static void ExtractKernel(string vmlinuz, string target)
    {
        var image = File.ReadAllBytes(vmlinuz);
        var start = image.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x02, 0x21, 0x4C, 0x18]); // LZ4's legacy frame
        if (start < 0)
            throw new SandboxException(ErrorCode.Unsupported, $"{vmlinuz} is not compressed with LZ4, as Debian 12's kernel is.", "Use Debian 12's linux-image-cloud-amd64.");
        using var file = File.Create(target);
        Lz4Legacy.Decode(image.AsSpan(start + 4), file);
        if (file.Length < 1 << 20)
            throw new SandboxException(ErrorCode.Unsupported, $"{vmlinuz} holds no kernel that could be unpacked.", "Use Debian 12's linux-image-cloud-amd64.");
    }

    [GeneratedRegex(@"Depends: (linux-image-\S+-cloud-amd64) \(= ([^)]+)\)")]
    private static partial Regex Depends();

    [GeneratedRegex(@"^kernel-(linux-image-\S+-cloud-amd64)-([^-]+(?:-[^-]+)?)-([0-9a-f]{4})$")]
    private static partial Regex Cached();
}

/// <summary>A kernel that machines boot.</summary>
/// <param name="Image">Path of the ELF.</param>
/// <param name="Modules">Paths of the modules that every machine loads, in order.</param>
/// <param name="VsockModules">Paths of those that vsock needs beside them.</param>
/// <param name="Package">Name and version.</param>
/// <param name="Outdated">Why it is one of the cache and not Debian's present one; null: it is that.</param>
internal sealed record Kernel(string Image, IReadOnlyList<string> Modules, IReadOnlyList<string> VsockModules, string Package, string? Outdated)
{
    public IEnumerable<string> ModulesFor(AgentTransport transport) => transport == AgentTransport.Vsock ? Modules.Concat(VsockModules) : Modules;
}
