using System.Diagnostics;
using Mitos.Cli.Commands;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Processes;

/// <summary>The daemon of this machine: started, watched while it comes up, and ended.</summary>
internal static class Daemon
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60), StopLimit = TimeSpan.FromSeconds(60);

    /// <summary>Starts it if none answers, and sees to the template <c>base</c>.</summary>
    /// <returns>Whether it was started here.</returns>
    public static async Task<bool> EnsureUpAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var start = await TryHealthAsync(client, cancellationToken) is null;
        if (start)
            await Waiting.ShowAsync("starting mitosd", StartAsync(client, cancellationToken));
        await EnsureBaseAsync(client, cancellationToken);
        return start;
    }

    /// <summary>Starts it if none answers and it left sandboxes, which go on without it.</summary>
    public static async Task EnsureUpForLeftAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var journals = Path.Combine(Settings.StateDirectory, "sandboxes");
        if (await TryHealthAsync(client, cancellationToken) is null && Directory.Exists(journals) && Directory.EnumerateFiles(journals, "*.json").Any())
            await Waiting.ShowAsync("starting mitosd", StartAsync(client, cancellationToken));
    }

    /// <summary>Runs it in the foreground until it ends.</summary>
    /// <returns>Its exit code.</returns>
    public static async Task<int> RunAsync(MitosClient client, CancellationToken cancellationToken)
    {
        RequireLocal("up --foreground");
        if (await TryHealthAsync(client, cancellationToken) is { } running)
            throw new MitosException(new ErrorBody(ErrorCodes.Conflict, $"mitosd runs already, as process {running.Pid}.", "Use it, or end it first with `mitos down`."));
        return await Child.RunAsync(Program(), [], async daemon =>
        {
            try
            {
                await AwaitAsync(client, daemon, () => "its log is above", cancellationToken);
                await EnsureBaseAsync(client, cancellationToken);
            }
            catch (Exception e) when (CommandRunner.Describe(e) is { } error)
            {
                Output.Failure(error); // of the template; the daemon serves
            }
        });
    }

    /// <summary>Ends it and waits for its end.</summary>
    /// <returns>What it last said; null when it did not run.</returns>
    public static async Task<HealthBody?> StopAsync(MitosClient client, CancellationToken cancellationToken)
    {
        RequireLocal("down");
        if (await TryHealthAsync(client, cancellationToken) is not { } health)
            return null;
        using var daemon = TryOpen(health.Pid);
        if (daemon is null)
            return health; // it ended since
        Child.AskToEnd(health.Pid);
        try
        {
            await Waiting.ShowAsync("stopping mitosd", daemon.WaitForExitAsync(cancellationToken).WaitAsync(StopLimit, cancellationToken));
        }
        catch (TimeoutException)
        {
            throw new MitosException(new ErrorBody(ErrorCodes.DeadlineExceeded, $"mitosd (process {health.Pid}) has not ended after {StopLimit.TotalSeconds:F0} s.", $"`kill -9 {health.Pid}` loses nothing: sandboxes go on, and are there again after `mitos up`."));
        }
        return health;
    }

    /// <summary>Null when it does not run.</summary>
    public static async Task<HealthBody?> TryHealthAsync(MitosClient client, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetHealthAsync(cancellationToken);
        }
        catch (MitosException e) when (e.Code == ErrorCodes.Unavailable)
        {
            return null;
        }
    }

    /// <summary>Path of the program.</summary>
    /// <exception cref="FileNotFoundException">It is missing.</exception>
    public static string Program() => File.Exists(Settings.Daemon) ? Settings.Daemon
        : throw new FileNotFoundException($"The daemon {Settings.Daemon} is missing; build it with `./mitos build`, or set MITOS_BIN to the directory of the programs.");

    // A template of an older build is made anew, as long as nothing depends on it.
    private static async Task EnsureBaseAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var free = (await client.GetHealthAsync(cancellationToken)).Sandboxes == 0 && (await client.ListSnapshotsAsync(null, cancellationToken)).Count == 0;
        if (free || (await client.ListTemplatesAsync(cancellationToken)).All(template => template.Name != "base"))
            await TemplateBuild.RunAsync(client, new BuildTemplateRequest { Name = "base" }, true, cancellationToken);
    }

    private static async Task StartAsync(MitosClient client, CancellationToken cancellationToken)
    {
        RequireLocal("up");
        var program = Program();
        Output.Note("starting mitosd");
        Directory.CreateDirectory(Settings.StateDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var log = Path.Combine(Settings.StateDirectory, "mitosd.log");
        var known = File.Exists(log) ? new FileInfo(log).Length : 0;
        new FileStream(log, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }).Dispose();
        // setsid: the daemon must not end with this terminal
        using var daemon = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec setsid \"$0\" >>\"$1\" 2>&1 </dev/null", program, log]))!;
        await AwaitAsync(client, daemon, () => $"its last words, from {log}:\n{LastWords(log, known)}", cancellationToken);
    }

    private static async Task AwaitAsync(MitosClient client, Process daemon, Func<string> words, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        while (await TryHealthAsync(client, cancellationToken) is null)
        {
            if (daemon.HasExited)
                throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, $"mitosd ended at once; {words()}", "Mend what they name; `mitos doctor` checks this host."));
            if (clock.Elapsed > StartLimit)
                throw new MitosException(new ErrorBody(ErrorCodes.DeadlineExceeded, $"mitosd does not answer after {StartLimit.TotalSeconds:F0} s; {words()}", "See whether it still recovers with `mitos status`."));
            await Task.Delay(50, cancellationToken);
        }
    }

    private static string LastWords(string log, long from)
    {
        using var file = File.OpenRead(log);
        file.Position = Math.Min(from, file.Length);
        return string.Join('\n', new StreamReader(file).ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(5).Select(line => "  " + line));
    }

    private static Process? TryOpen(int pid)
    {
        try
        {
            return Process.GetProcessById(pid);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static void RequireLocal(string what)
    {
        if (Settings.IsRemote)
            throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, $"`mitos {what}` works on this machine's daemon, and MITOS_URL names another.", "Unset MITOS_URL, or work on that machine."));
    }
}
