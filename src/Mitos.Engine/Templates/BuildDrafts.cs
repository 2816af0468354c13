using System.Globalization;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Templates;

/// <summary>What builds leave that ended with their engine: files beside the sockets, drafts in the cache, and the tools that still write those.</summary>
internal static class BuildDrafts
{
    /// <summary>Deletes them. Called at the start of an engine, before anything is built.</summary>
    public static async Task DeleteAsync(EngineOptions options)
    {
        foreach (var path in Directory.EnumerateFiles(options.RunDirectory, "initramfs-*"))
            File.Delete(path);
        if (!Directory.Exists(options.CacheDirectory))
            return;
        // The cache is shared: a draft is named after the engine that makes it. One with our own number is an earlier engine's.
        foreach (var draft in Directory.EnumerateDirectories(options.CacheDirectory, "*.draft-*"))
        {
            if (!int.TryParse(draft[(draft.LastIndexOf('-') + 1)..], CultureInfo.InvariantCulture, out var engine) || (engine != Environment.ProcessId && Runs(engine)))
                continue;
            await EndWritersAsync(draft);
            // not by Directory.Delete: the tree has devices and links that only rm takes as they are
            await HostTool.RunAsync("rm", ["-rf", "--one-file-system", draft], null, CancellationToken.None);
        }
    }

    // Who has ended and was not waited for yet has no program any more.
    private static bool Runs(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/exe").LinkTarget is not null;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task EndWritersAsync(string draft)
    {
        foreach (var path in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out var pid) || pid == Environment.ProcessId || !Writes(path, draft) || HostProcess.TryOpenAny(pid) is not { } process)
                continue;
            process.Kill();
            await process.Exited.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            process.Dispose();
        }
    }

    // It names the draft, was started by what does, or has its tree as root directory.
    private static bool Writes(string process, string draft)
    {
        try
        {
            return File.ReadAllText(process + "/cmdline").Contains(draft + "/", StringComparison.Ordinal)
                || File.ReadAllText(process + "/environ").Split('\0').Contains($"{HostTool.DraftVariable}={draft}") || new FileInfo(process + "/root").LinkTarget?.StartsWith(draft + "/", StringComparison.Ordinal) == true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // it ended
        }
    }
}
