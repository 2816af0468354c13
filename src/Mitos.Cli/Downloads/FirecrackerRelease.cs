using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Downloads;

/// <summary>
/// The official release of Firecracker: an archive with the binary, and beside it a file with the archive's SHA-256
/// (<c>firecracker-v1.16.1-x86_64.tgz</c> and <c>….tgz.sha256.txt</c>, as on their release page).
/// </summary>
internal static class FirecrackerRelease
{
    /// <summary>What Mitos is built against; FirecrackerVersion.Pinned of the engine is the same.</summary>
    public const string Version = "1.16.1";

    /// <summary>Where the project publishes its releases.</summary>
    public const string Official = "https://github.com/firecracker-microvm/firecracker/releases/download";

    /// <summary>Where the daemon looks for it.</summary>
    public const string DefaultPath = "/usr/local/bin/firecracker";

    private const long MaxArchive = 256L << 20;

    private static string Architecture => RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        var other => throw new MitosException(new ErrorBody(ErrorCodes.Unsupported, $"Firecracker has no release for {other}.", "Use QEMU: `mitos up --vmm qemu`.")),
    };

    private static string Name => $"firecracker-v{Version}-{Architecture}";

    /// <summary>Fetches, checks and installs it; what was there before is replaced at the end, or not at all.</summary>
    /// <param name="from">URL or directory with <c>v1.16.1/</c> or the files themselves.</param>
    /// <param name="path">Where the binary goes.</param>
    /// <param name="cancellationToken">Ends it; nothing is left.</param>
    /// <exception cref="MitosException">It cannot be fetched, or is not what its sum says.</exception>
    public static async Task<InstalledBody> InstallAsync(string from, string path, CancellationToken cancellationToken)
    {
        var archive = $"{Name}.tgz";
        var sum = System.Text.Encoding.ASCII.GetString(await FetchAsync(from, archive + ".sha256.txt", path, cancellationToken)).Split(' ', '\n')[0].Trim();
        var bytes = await FetchAsync(from, archive, path, cancellationToken);
        var actual = Convert.ToHexStringLower(SHA256.HashData(bytes));
        if (!actual.Equals(sum, StringComparison.OrdinalIgnoreCase))
            throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, $"{archive} from {from} has the SHA-256 {actual}, and its sum file says {sum}: it is damaged, or not the official one.", "Fetch it again; nothing was installed."));
        var draft = path + ".new";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await ExtractAsync(bytes, archive, draft, cancellationToken);
            File.SetUnixFileMode(draft, (UnixFileMode)0x1ED /* 0755 */);
            File.Move(draft, path, overwrite: true);
        }
        finally
        {
            File.Delete(draft);
        }
        return new InstalledBody("firecracker", Version, path, actual);
    }

    private static async Task ExtractAsync(byte[] bytes, string archive, string target, CancellationToken cancellationToken)
    {
        await using var unzipped = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
        await using var reader = new TarReader(unzipped);
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            if (Path.GetFileName(entry.Name) != Name || entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile))
                continue;
            await entry.ExtractToFileAsync(target, overwrite: true, cancellationToken);
            return;
        }
        throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, $"{archive} has no file {Name}.", "Use the official archive."));
    }

    private static async Task<byte[]> FetchAsync(string from, string file, string path, CancellationToken cancellationToken)
    {
        var remedy = $"Where there is no internet: fetch {Name}.tgz and {Name}.tgz.sha256.txt of release v{Version} elsewhere, and run `mitos vmm install firecracker --from DIRECTORY`; or place the binary {Name} itself at {path}, executable.";
        try
        {
            if (Directory.Exists(from))
            {
                var local = new[] { Path.Combine(from, "v" + Version, file), Path.Combine(from, file) }.FirstOrDefault(File.Exists);
                return local is not null ? await File.ReadAllBytesAsync(local, cancellationToken) : throw new MitosException(new ErrorBody(ErrorCodes.NotFound, $"There is no {file} in {from}.", remedy));
            }
            if (!Uri.TryCreate($"{from.TrimEnd('/')}/v{Version}/{file}", UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                throw new MitosException(new ErrorBody(ErrorCodes.NotFound, $"'{from}' is neither a directory nor an address.", remedy));
            using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(5), MaxResponseContentBufferSize = MaxArchive };
            return await http.GetByteArrayAsync(address, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new MitosException(new ErrorBody(ErrorCodes.Unavailable, $"{file} of Firecracker {Version} cannot be fetched from {from}: {e.Message}", remedy));
        }
    }
}
