using Mitos.Engine.Errors;
using Mitos.Engine.Templates;
using Mitos.Linux.Files;

namespace Mitos.Engine.Disks;

/// <summary>
/// A directory whose files can share blocks. Where the host's file system cannot do that (ext4), an XFS in a sparse file beside it,
/// mounted by a loop device: nothing is copied, and a block costs the host's disk when it is first written. Why:
/// docs/decisions/0006-disks-of-firecracker.md.
/// </summary>
internal static class ReflinkVolume
{
    // mkfs.xfs makes none smaller
    private const long Smallest = 512L << 20;

    /// <returns>The directory: the given one, or the mount in it.</returns>
    /// <exception cref="SandboxException">FailedPrecondition: XFS cannot be made or mounted here.</exception>
    public static async Task<string> OpenAsync(string directory, CancellationToken cancellationToken)
    {
        if (Reflink.IsSupported(directory))
            return directory;
        var (image, mount) = (ImageOf(directory), MountOf(directory));
        Directory.CreateDirectory(mount, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!IsMounted(mount))
        {
            try
            {
                if (!File.Exists(image))
                    await MakeAsync(image, cancellationToken);
                await HostTool.RunAsync("mount", ["-t", "xfs", "-o", "loop,noatime,discard", image, mount], null, cancellationToken);
            }
            catch (SandboxException e)
            {
                throw new SandboxException(ErrorCode.FailedPrecondition, $"Firecracker's disks need a file system with reflinks; {directory} has none, and an XFS volume could not be made there: {e.Message}",
                    "apt-get install -y xfsprogs; or give MITOS_STATE a directory on XFS or btrfs.", e);
            }
        }
        return mount;
    }

    /// <summary>Unmounts it, when nobody has a file of it open.</summary>
    /// <returns>Whether there is no mount any more.</returns>
    public static async Task<bool> TryCloseAsync(string directory)
    {
        if (!IsMounted(MountOf(directory)))
            return true;
        try
        {
            await HostTool.RunAsync("umount", [MountOf(directory)], null, CancellationToken.None);
            return true;
        }
        catch (SandboxException)
        {
            return false; // machines live on it
        }
    }

    private static string ImageOf(string directory) => Path.Combine(directory, "volume.xfs");

    private static string MountOf(string directory) => Path.Combine(directory, "volume");

    private static async Task MakeAsync(string image, CancellationToken cancellationToken)
    {
        var draft = image + ".new";
        try
        {
            await using (var file = new FileStream(draft, FileMode.Create))
                file.SetLength(Math.Max(Smallest, new DriveInfo(Path.GetDirectoryName(image)!).TotalSize)); // sparse: what counts is what is written
            await HostTool.RunAsync("mkfs.xfs", ["-q", "-m", "reflink=1", draft], null, cancellationToken);
            File.Move(draft, image);
        }
        finally
        {
            File.Delete(draft);
        }
    }

    private static bool IsMounted(string path) => File.ReadLines("/proc/self/mountinfo").Any(line => line.Split(' ')[4] == path);
}
