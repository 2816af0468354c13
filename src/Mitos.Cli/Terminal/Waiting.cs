using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace Mitos.Cli.Terminal;

/// <summary>Shows a person that something which takes longer than a second goes on. Others see nothing of it.</summary>
internal static class Waiting
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1), Refresh = TimeSpan.FromMilliseconds(250);

    /// <param name="what">For example <c>forking dev</c>.</param>
    /// <param name="work">Runs already.</param>
    /// <param name="detail">How far it is, asked again and again; null: nothing is known but the time.</param>
    public static async Task<T> ShowAsync<T>(string what, Task<T> work, Func<string>? detail = null)
    {
        await ShowAsync(what, (Task)work, detail);
        return await work;
    }

    /// <inheritdoc cref="ShowAsync{T}"/>
    public static async Task ShowAsync(string what, Task work, Func<string>? detail = null)
    {
        var clock = Stopwatch.StartNew();
        if (Output.IsWatched && await Task.WhenAny(work, Task.Delay(Patience)) != work)
        {
            await Output.Console(Console.Error).Status().Spinner(Spinner.Known.Line).StartAsync(Line(), async context =>
            {
                while (await Task.WhenAny(work, Task.Delay(Refresh)) != work)
                    context.Status(Line());
            });
        }
        await work;

        string Line() => Markup.Escape(string.Create(CultureInfo.InvariantCulture, $"{what}: {clock.Elapsed.TotalSeconds:F0} s{(detail is null ? "" : ", " + detail())}"));
    }
}
