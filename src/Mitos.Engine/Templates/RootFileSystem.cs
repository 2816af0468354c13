using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Templates.Recipes;

namespace Mitos.Engine.Templates;

/// <summary>
/// The root file system of a recipe: Debian 12 by mmdebstrap into a directory, then into an ext4 image by mke2fs; nothing is
/// mounted. Kept in the cache under the hash of what it is made of.
/// </summary>
internal sealed class RootFileSystem(string cacheDirectory, Recipe recipe)
{
    /// <summary>Size of the disk as guests see it; the image is sparse.</summary>
    public const int DiskMiB = 8192;

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

    /// <summary>Hash of what the root file system of a recipe is made of.</summary>
    public static string KeyOf(Recipe recipe) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', [.. recipe.Packages, Customize + recipe.Customize, DiskMiB.ToString(CultureInfo.InvariantCulture), "bookworm", "1"]))))[..16];

    /// <summary>Whether <see cref="GetAsync"/> has nothing to make.</summary>
    public bool IsCached => File.Exists(Image);

    private string Image => Path.Combine(cacheDirectory, $"rootfs-{KeyOf(recipe)}.ext4");

    /// <summary>Finds the image in the cache, or makes it: minutes, and 1 GiB of disk or more.</summary>
    /// <exception cref="Errors.SandboxException">A tool is missing or failed; nothing is left behind.</exception>
    public async Task<string> GetAsync(Action<string> line, CancellationToken cancellationToken)
    {
        var final = Image;
        if (IsCached)
            return final;
        using var _ = await CacheLock.AcquireAsync(cacheDirectory, $"rootfs-{KeyOf(recipe)}", line, cancellationToken);
        if (IsCached) // another made it; replaced under machines that run on it, it would damage them
            return final;
        var draft = Path.Combine(cacheDirectory, $"rootfs-{KeyOf(recipe)}.draft-{Environment.ProcessId}");
        var tree = Path.Combine(draft, "tree");
        var image = Path.Combine(draft, "image");
        Directory.CreateDirectory(draft);
        try
        {
            // Without force-unsafe-io dpkg syncs each file: what breaks off is thrown away as a whole.
            var hook = Path.Combine(draft, "customize");
            File.WriteAllText(hook, "#!/bin/sh\n" + Customize + recipe.Customize + "\n");
            File.SetUnixFileMode(hook, (UnixFileMode)0x1ED);
            await HostTool.RunAsync("mmdebstrap",
                ["--variant=minbase", "--mode=root", "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io", $"--include={string.Join(',', recipe.Packages)}", $"--customize-hook={hook} \"$1\"", "bookworm", tree],
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
