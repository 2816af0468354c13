using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mitos.Engine.Templates;

/// <summary>
/// The root file system of <c>base</c>: Debian 12 by mmdebstrap into a directory, then into an ext4 image by mke2fs; nothing is
/// mounted. Kept in the cache under the hash of its recipe.
/// </summary>
internal sealed class RootFileSystem(string cacheDirectory)
{
    /// <summary>Size of the disk as guests see it; the image is sparse.</summary>
    public const int DiskMiB = 8192;

    private static readonly string[] Packages =
    [
        "python3", "nodejs", "npm", "git", "curl", "ca-certificates", "sudo", "procps", "iproute2", "build-essential", "attr", "libnss-myhostname",
    ];

    // $1 is the root directory that mmdebstrap made.
    private const string Customize = """
        set -e
        chroot "$1" useradd --create-home --shell /bin/bash --uid 1000 user
        echo 'user ALL=(ALL) NOPASSWD:ALL' > "$1/etc/sudoers.d/user"
        chmod 0440 "$1/etc/sudoers.d/user"
        printf '127.0.0.1 localhost\n127.0.1.1 mitos\n::1 localhost\n' > "$1/etc/hosts"
        echo mitos > "$1/etc/hostname"
        rm -f "$1/etc/resolv.conf"
        mkdir -p "$1/etc/mitos/fork.d"
        """;

    /// <summary>Hash of the recipe.</summary>
    public static string Key { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', [.. Packages, Customize, DiskMiB.ToString(CultureInfo.InvariantCulture), "bookworm", "1"]))))[..16];

    /// <summary>Finds the image in the cache, or makes it: about two minutes and 1 GiB of disk.</summary>
    /// <exception cref="Errors.SandboxException">A tool is missing or failed; nothing is left behind.</exception>
    public async Task<string> GetAsync(Action<string> line, CancellationToken cancellationToken)
    {
        var final = Path.Combine(cacheDirectory, $"rootfs-{Key}.ext4");
        if (File.Exists(final))
            return final;
        var draft = Path.Combine(cacheDirectory, $"rootfs-{Key}.draft-{Environment.ProcessId}");
        var tree = Path.Combine(draft, "tree");
        var image = Path.Combine(draft, "image");
        Directory.CreateDirectory(draft);
        try
        {
            var hook = Path.Combine(draft, "customize");
            File.WriteAllText(hook, "#!/bin/sh\n" + Customize + "\n");
            File.SetUnixFileMode(hook, (UnixFileMode)0x1ED);
            await HostTool.RunAsync("mmdebstrap",
                ["--variant=minbase", "--mode=root", "--aptopt=APT::Install-Recommends \"false\"", $"--include={string.Join(',', Packages)}", $"--customize-hook={hook} \"$1\"", "bookworm", tree],
                line, cancellationToken, draft: draft);
            line("writing the ext4 image");
            await HostTool.RunAsync("mke2fs",
                ["-q", "-F", "-t", "ext4", "-L", "mitos", "-m", "0", "-J", "size=32", "-E", "lazy_itable_init=1,root_owner=0:0", "-d", tree, image, $"{DiskMiB}M"],
                line, cancellationToken, draft: draft);
            File.SetUnixFileMode(image, UnixFileMode.UserRead);
            File.Move(image, final, overwrite: true);
            return final;
        }
        finally
        {
            // not by Directory.Delete: the tree has devices and links that only rm takes as they are
            await HostTool.RunAsync("rm", ["-rf", "--one-file-system", draft], null, CancellationToken.None);
        }
    }
}
