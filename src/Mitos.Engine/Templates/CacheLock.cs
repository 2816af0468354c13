using Mitos.Linux.Files;

namespace Mitos.Engine.Templates;

/// <summary>One process at a time makes a thing of the cache; another that wants it waits, and then finds it.</summary>
internal static class CacheLock
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>Waits for the lock of a name. It ends when what is returned is disposed, or the process.</summary>
    /// <param name="cacheDirectory">Is made if it is not there.</param>
    /// <param name="name">Of what is made.</param>
    /// <param name="line">Is told once, if it has to wait.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async Task<IDisposable> AcquireAsync(string cacheDirectory, string name, Action<string> line, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(cacheDirectory);
        // Not deleted afterwards: who waits holds the same file open.
        var file = FileDescriptors.OpenOrCreate(Path.Combine(cacheDirectory, $".{name}.lock"));
        try
        {
            for (var told = false; !FileDescriptors.TryLock(file); told = true)
            {
                if (!told)
                    line($"waiting for another process that makes {name}");
                await Task.Delay(Interval, cancellationToken);
            }
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
