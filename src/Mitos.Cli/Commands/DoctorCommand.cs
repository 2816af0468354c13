using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Mitos.Cli.Processes;
using Mitos.Cli.Terminal;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>doctor: what the host can do, what it lacks, and the command that mends it. Needs no daemon.</summary>
internal static class DoctorCommand
{
    public static Command Make()
    {
        var vmm = new VmmOptions();
        var selfTest = new Option<bool>("--self-test") { Description = "Test whether the VMM forks safely on this host; a minute or so" };
        return vmm.AddTo(new Command("doctor", "Say what this host can do, what it lacks, and the command that mends it\n  mitos doctor --self-test --vmm qemu") { selfTest }).RunsAlone(async (result, json, cancellationToken) =>
        {
            vmm.Apply(result);
            if (result.GetValue(selfTest))
                return await SelfTest.RunAsync(json, cancellationToken);
            var host = await Waiting.ShowAsync("checking this host", ProbeAsync(cancellationToken));
            if (json)
                Output.Json(host, ContractsJson.Default.HostBody);
            else
                Print(host);
            return host.Checks.Any(check => check.Status == "missing") ? ExitCode.Failed : ExitCode.Ok;
        });
    }

    private static async Task<HostBody> ProbeAsync(CancellationToken cancellationToken)
    {
        if (Settings.IsRemote)
        {
            using var client = Settings.Connect();
            return await client.GetHostAsync(cancellationToken);
        }
        using var probe = Process.Start(new ProcessStartInfo(Daemon.Program(), ["--probe-host"]) { RedirectStandardOutput = true })!;
        var text = await probe.StandardOutput.ReadToEndAsync(cancellationToken);
        await probe.WaitForExitAsync(cancellationToken);
        if (probe.ExitCode != 0)
            throw new IOException($"The checks ended with {probe.ExitCode}; what they said is above.");
        return JsonSerializer.Deserialize(text, ContractsJson.Default.HostBody)!;
    }

    private static void Print(HostBody host)
    {
        Output.Line($"{Output.Count(host.CpuCount, "cpu")} ({host.CpuModel}), {host.MemoryBytes >> 20} MiB of memory, Linux {host.Kernel}");
        Output.Table(["check", "status", "finding"], host.Checks.Select(check => new[] { check.Name, check.Status, check.Finding }));
        var missing = host.Checks.Count(check => check.Status == "missing");
        Output.Line(missing == 0 ? "Mitos works on this host." : $"Mitos does not work on this host: {Output.Count(missing, "check")} failed.");
        foreach (var check in host.Checks.Where(check => check.Remedy.Length > 0))
            Output.Line($"  {check.Name}: {check.Remedy}");
    }
}
