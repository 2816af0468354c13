using System.CommandLine;
using Mitos.Cli.Downloads;
using Mitos.Cli.Terminal;

namespace Mitos.Cli.Commands;

/// <summary>vmm install.</summary>
internal static class VmmCommands
{
    public static Command Make() => new("vmm", "Install VMMs") { Install() };

    private static Command Install()
    {
        var name = new Argument<string>("VMM") { Description = "Which one: firecracker (QEMU comes with ./mitos)", HelpName = "VMM" };
        name.AcceptOnlyFromAmong("firecracker");
        var from = new Option<string>("--from") { Description = "URL or directory that has the releases", DefaultValueFactory = _ => FirecrackerRelease.Official, HelpName = "where" };
        var to = new Option<string>("--to") { Description = "Where the binary goes", DefaultValueFactory = _ => FirecrackerRelease.DefaultPath, HelpName = "path" };
        return new Command("install", "Fetch the release of Firecracker that Mitos is built against, check its sum, and install it\n  mitos vmm install firecracker\n  mitos vmm install firecracker --from /media/releases") { name, from, to }.RunsAlone(async (result, json, cancellationToken) =>
        {
            var installed = await Waiting.ShowAsync($"fetching Firecracker {FirecrackerRelease.Version}", FirecrackerRelease.InstallAsync(result.GetRequiredValue(from), Path.GetFullPath(result.GetRequiredValue(to)), cancellationToken));
            if (json)
                Output.Json(installed, CliJson.Default.InstalledBody);
            else
                Output.Line($"{installed.Path} is Firecracker {installed.Version}; `mitos doctor --self-test --vmm firecracker` tests it on this host");
            return ExitCode.Ok;
        });
    }
}
