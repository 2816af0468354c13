using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Mitos.EndToEnd.Hosting;

/// <summary>A program on a real terminal: script(1) makes the terminal, and this class is the person before it.</summary>
internal sealed class Terminal : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private readonly Runner _runner;
    private readonly Process _script;
    private readonly StringBuilder _shown = new();

    /// <param name="runner">Its environment.</param>
    /// <param name="command">A shell command.</param>
    /// <param name="rows">Of the terminal.</param>
    /// <param name="columns">Of the terminal.</param>
    public Terminal(Runner runner, string command, int rows = 24, int columns = 80)
    {
        _runner = runner;
        _script = runner.Start("/usr/bin/script", ["--quiet", "--return", "--flush", "--command", $"stty rows {rows} cols {columns}; exec {command}", "/dev/null"]);
    }

    /// <summary>All that was shown so far.</summary>
    public string Shown => _shown.ToString();

    public async Task TypeAsync(string text)
    {
        await _script.StandardInput.WriteAsync(text);
        await _script.StandardInput.FlushAsync();
    }

    /// <summary>Waits until the text is shown, after what was waited for before.</summary>
    public async Task UntilAsync(string text)
    {
        var buffer = new char[4096];
        using var limit = new CancellationTokenSource(Limit);
        while (!Shown.Contains(text, StringComparison.Ordinal))
        {
            int got;
            try
            {
                got = await _script.StandardOutput.ReadAsync(buffer, limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"'{text}' was not shown; this was: {Shown}");
            }
            Assert.True(got > 0, $"the terminal closed before '{text}': {Shown}");
            _shown.Append(buffer, 0, got);
        }
        _shown.Remove(0, Shown.IndexOf(text, StringComparison.Ordinal) + text.Length);
    }

    /// <summary>Makes the window another size: the kernel tells the programs on it.</summary>
    public async Task ResizeAsync(int rows, int columns)
    {
        var child = (await File.ReadAllTextAsync($"/proc/{_script.Id}/task/{_script.Id}/children")).Trim();
        (await _runner.RunAsync("/bin/stty", ["-F", $"/proc/{child}/fd/0", "rows", rows.ToString(CultureInfo.InvariantCulture), "cols", columns.ToString(CultureInfo.InvariantCulture)])).Ok();
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit status, after which <see cref="Shown"/> has the rest.</returns>
    public async Task<int> EndAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        _shown.Append(await _script.StandardOutput.ReadToEndAsync(limit.Token));
        await _script.WaitForExitAsync(limit.Token);
        return _script.ExitCode;
    }

    public void Dispose()
    {
        if (!_script.HasExited)
            _script.Kill(entireProcessTree: true);
        _script.Dispose();
    }
}
