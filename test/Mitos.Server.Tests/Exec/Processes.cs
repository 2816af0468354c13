using Mitos.Contracts;

namespace Mitos.Server.Tests.Exec;

internal static class Processes
{
    /// <summary>Waits until a process is as it should be, and returns it.</summary>
    public static async Task<ProcessBody> AwaitProcessAsync(this ServerFixture server, string id, Func<ProcessBody, bool> condition)
    {
        var all = new List<ProcessBody>();
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until; await Task.Delay(100))
        {
            all = await server.Client.ListProcessesAsync(id);
            if (all.FirstOrDefault(condition) is { } found)
                return found;
        }
        throw new Xunit.Sdk.XunitException("no process came to be as expected: " + string.Join("; ", all.Select(process => $"{process.Pid} {string.Join(' ', process.Argv)} {process.ExitCode}")));
    }

    /// <summary>Waits until no process is as told: it has ended, or is not listed any more.</summary>
    public static async Task AwaitNoProcessAsync(this ServerFixture server, string id, Func<ProcessBody, bool> condition)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; (await server.Client.ListProcessesAsync(id)).Any(condition); await Task.Delay(100))
        {
            if (DateTime.UtcNow > until)
                throw new Xunit.Sdk.XunitException("a process is still as it should not be");
        }
    }
}
