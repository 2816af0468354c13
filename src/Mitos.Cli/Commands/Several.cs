using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>What is done with several things that were named, a few at a time: each is done or fails by itself.</summary>
internal static class Several
{
    private const int AtATime = 8;

    /// <param name="what">For example <c>pausing 3 sandboxes</c>.</param>
    /// <param name="names">As they were typed.</param>
    /// <param name="act">Does it with one.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    /// <returns>For each name, in their order, what came of it or why it failed.</returns>
    public static async Task<List<(string Name, T? Result, ErrorBody? Error)>> RunAsync<T>(string what, IReadOnlyList<string> names, Func<string, CancellationToken, Task<T>> act, CancellationToken cancellationToken)
    {
        var results = new (string, T?, ErrorBody?)[names.Count];
        var done = 0;
        await Waiting.ShowAsync(what, Parallel.ForAsync(0, names.Count, new ParallelOptions { MaxDegreeOfParallelism = AtATime, CancellationToken = cancellationToken }, async (i, token) =>
        {
            try
            {
                results[i] = (names[i], await act(names[i], token), null);
            }
            catch (MitosException e)
            {
                results[i] = (names[i], default, CommandRunner.Describe(e));
            }
            Interlocked.Increment(ref done);
        }), names.Count > 1 ? () => $"{done} done" : null);
        return [.. results];
    }

    /// <summary>The exit status: of several of which some failed, <see cref="ExitCode.Partial"/>.</summary>
    public static int Status(IReadOnlyCollection<ErrorBody?> errors)
    {
        var failed = errors.OfType<ErrorBody>().ToList();
        return failed.Count == 0 ? ExitCode.Ok : errors.Count > failed.Count ? ExitCode.Partial : ExitCode.Of(failed[0].Code);
    }
}
