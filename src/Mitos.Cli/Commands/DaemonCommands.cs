using System.CommandLine;
using System.Diagnostics;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>up, down, status, doctor.</summary>
internal static class DaemonCommands
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    public static IEnumerable<Command> All() => [Up(), Down(), Status(), Doctor()];

    /// <summary>Starts the daemon if none answers, and sees to the template <c>base</c>.</summary>
    /// <returns>Whether it was started here.</returns>
    public static async Task<bool> EnsureUpAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var start = await TryHealthAsync(client, cancellationToken) is null;
        if (start)
            await StartAsync(client, cancellationToken);
        // A template of an older build is made anew, as long as nobody lives on it.
        if ((await client.GetHealthAsync(cancellationToken)).Sandboxes == 0 || (await client.ListTemplatesAsync(cancellationToken)).All(template => template.Name != "base"))
            await TemplateCommands.BuildAsync(client, new BuildTemplateRequest { Name = "base" }, cancellationToken);
        return start;
    }

    /// <summary>Ends the daemon and waits for its end.</summary>
    /// <returns>What it last said; null when it did not run.</returns>
    public static async Task<HealthBody?> StopAsync(MitosClient client, CancellationToken cancellationToken)
    {
        var health = await TryHealthAsync(client, cancellationToken);
        if (health is null)
            return null;
        using var daemon = Process.GetProcessById(health.Pid);
        Signal(health.Pid, 15);
        await daemon.WaitForExitAsync(cancellationToken);
        return health;
    }

    private static Command Up()
    {
        var foreground = new Option<bool>("--foreground") { Description = "Stay, and print the daemon's log here" };
        return new Command("up", "Start the daemon, and build the template `base` if there is none") { foreground }.Runs(async (client, result, json, cancellationToken) =>
        {
            if (result.GetValue(foreground))
            {
                using var daemon = Process.Start(new ProcessStartInfo(Settings.Daemon))!;
                using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, context => context.Cancel = true);
                await daemon.WaitForExitAsync(CancellationToken.None);
                return daemon.ExitCode;
            }
            await EnsureUpAsync(client, cancellationToken);
            var health = await client.GetHealthAsync(cancellationToken);
            if (json)
                Output.Json(health, ContractsJson.Default.HealthBody);
            else
                Output.Line($"mitosd {health.Version} runs as process {health.Pid} with {health.Sandboxes} sandboxes");
            return ExitCode.Ok;
        });
    }

    private static Command Down()
    {
        var all = new Option<bool>("--all") { Description = "Remove all sandboxes first" };
        return new Command("down", "Stop the daemon; sandboxes go on running and are there again after `up`") { all }.Runs(async (client, result, _, cancellationToken) =>
        {
            if (result.GetValue(all) && await TryHealthAsync(client, cancellationToken) is not null)
            {
                foreach (var sandbox in await client.ListAsync(false, cancellationToken))
                    await client.RemoveAsync(sandbox.Id, cancellationToken);
            }
            var health = await StopAsync(client, cancellationToken);
            if (health is null)
            {
                Output.Note("mitosd does not run");
                return ExitCode.Ok;
            }
            Output.Line(health.Sandboxes > 0 ? $"mitosd has ended; {health.Sandboxes} sandboxes go on" : "mitosd has ended");
            return ExitCode.Ok;
        });
    }

    private static Command Status() => new Command("status", "Say whether the daemon runs").Runs(async (client, _, json, cancellationToken) =>
    {
        var health = await client.GetHealthAsync(cancellationToken);
        if (json)
            Output.Json(health, ContractsJson.Default.HealthBody);
        else
            Output.Line($"mitosd {health.Version} runs as process {health.Pid} with {health.Sandboxes} sandboxes; {Settings.Socket}");
        return ExitCode.Ok;
    });

    private static Command Doctor()
    {
        var command = new Command("doctor", "Say what this host can do, what it lacks, and the command that mends it");
        command.SetAction((result, cancellationToken) => CommandRunner.GuardAsync(async () =>
        {
            using var probe = Process.Start(new ProcessStartInfo(Settings.Daemon, ["--probe-host"]) { RedirectStandardOutput = true })!;
            var text = await probe.StandardOutput.ReadToEndAsync(cancellationToken);
            await probe.WaitForExitAsync(cancellationToken);
            var host = System.Text.Json.JsonSerializer.Deserialize(text, ContractsJson.Default.HostBody)!;
            if (result.GetValue(CommandRunner.JsonOption))
                Output.Json(host, ContractsJson.Default.HostBody);
            else
                Print(host);
            return host.Checks.Any(check => check.Status == "missing") ? ExitCode.Failed : ExitCode.Ok;
        }));
        return command;
    }

    private static void Print(HostBody host)
    {
        Output.Line($"{host.CpuCount} x {host.CpuModel}, {host.MemoryBytes >> 20} MiB, Linux {host.Kernel}");
        Output.Table(["check", "status", "finding"], host.Checks.Select(check => new[] { check.Name, check.Status, check.Finding }));
        foreach (var check in host.Checks.Where(check => check.Remedy.Length > 0))
            Output.Line($"{check.Name}: {check.Remedy}");
    }

    private static async Task<HealthBody?> TryHealthAsync(MitosClient client, CancellationToken cancellationToken)
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

    private static async Task StartAsync(MitosClient client, CancellationToken cancellationToken)
    {
        if (!File.Exists(Settings.Daemon))
            throw new IOException($"The daemon {Settings.Daemon} is missing; build it with `./mitos build`, or set MITOS_BIN.");
        Output.Note("starting mitosd");
        Directory.CreateDirectory(Settings.StateDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var log = Path.Combine(Settings.StateDirectory, "mitosd.log");
        // setsid: the daemon must not end with this terminal
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec setsid \"$0\" >>\"$1\" 2>&1 </dev/null", Settings.Daemon, log]))!;
        var until = DateTime.UtcNow + StartLimit;
        while (await TryHealthAsync(client, cancellationToken) is null)
        {
            if (shell.HasExited)
                throw new IOException($"mitosd ended at once. Its last words, from {log}:\n{string.Join('\n', File.ReadLines(log).TakeLast(5))}");
            if (DateTime.UtcNow > until)
                throw new IOException($"mitosd does not answer after {StartLimit.TotalSeconds:F0} s; see {log}.");
            await Task.Delay(50, cancellationToken);
        }
    }

    private static void Signal(int pid, int signal)
    {
        using var kill = Process.Start(new ProcessStartInfo("/bin/kill", [$"-{signal}", $"{pid}"]))!;
        kill.WaitForExit();
    }
}
