using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mitos.Cli.Tests.Hosting;

/// <summary>A program that runs, with all three streams. It is killed when it is left.</summary>
public sealed partial class Running : IAsyncDisposable
{
    public const int Interrupt = 2, Kill = 9, User1 = 10, User2 = 12, Terminate = 15, Continue = 18;

    /// <summary>Against hanging; nothing is expected to take that long.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    private readonly string _line;

    /// <param name="program">Path or name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Set, or (null) unset.</param>
    public Running(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment)
    {
        // env: a test host that runs in the background of a shell has signals ignored, and would pass that on
        var start = new ProcessStartInfo("env", ["--default-signal", program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        _line = string.Join(' ', start.ArgumentList.Skip(1).Select(word => word.Length <= 60 ? word : word[..60] + "…"));
        Process = Process.Start(start)!;
    }

    public Process Process { get; }

    public Stream Input => Process.StandardInput.BaseStream;

    public Stream Output => Process.StandardOutput.BaseStream;

    public void Signal(int number) => Assert.True(TrySignal(number), $"`{_line}` has ended already");

    /// <returns>False: it has ended.</returns>
    public bool TrySignal(int number) => SendSignal(Process.Id, number) == 0;

    /// <summary>The next line of its output; fails when it ends before.</summary>
    public async Task<string> ReadLineAsync() =>
        await Process.StandardOutput.ReadLineAsync().WaitAsync(Limit) ?? throw new InvalidOperationException($"`{_line}` ended: {await Process.StandardError.ReadToEndAsync()}");

    /// <summary>Reads errors until one holds <paramref name="word"/>.</summary>
    public async Task AwaitErrorAsync(string word)
    {
        while (true)
        {
            var line = await Process.StandardError.ReadLineAsync().WaitAsync(Limit) ?? throw new InvalidOperationException($"`{_line}` ended without saying '{word}'.");
            if (line.Contains(word, StringComparison.Ordinal))
                return;
        }
    }

    /// <summary>Closes its input and waits for its end.</summary>
    /// <param name="input">What it reads before.</param>
    public async Task<Result> EndAsync(byte[]? input = null)
    {
        var output = new MemoryStream();
        var reading = Output.CopyToAsync(output);
        var errors = Process.StandardError.ReadToEndAsync();
        try
        {
            if (input is not null)
                await Input.WriteAsync(input);
            Process.StandardInput.Close();
        }
        catch (IOException)
        {
            // it does not read to the end of its input
        }
        try
        {
            await Task.WhenAll(reading, errors, Process.WaitForExitAsync()).WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            Process.Kill(entireProcessTree: true);
            throw new TimeoutException($"`{_line}` has not ended after {Limit}.");
        }
        return new Result(_line, Process.ExitCode, output.ToArray(), await errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
            Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
