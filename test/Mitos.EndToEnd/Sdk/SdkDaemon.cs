using System.Diagnostics;
using System.Text.Json;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Sdk;

/// <summary>A daemon, and E2B's official packages that are told of it by their environment variables.</summary>
public class SdkDaemon : Daemon
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(11); // node's own for a file is 10
    private string _node = "";

    public SdkDaemon()
    {
        Variables["MITOS_DOMAIN"] = "mitos.localhost";
        Variables["MITOS_TLS_LISTEN"] = $"127.0.0.1:{FreePort()}";
    }

    /// <summary>test/E2B.Sdk of the checkout.</summary>
    internal static string Tests { get; } = Path.GetFullPath(Path.Combine(Programs.Directory, "../../test/E2B.Sdk"));

    /// <summary>What became of all files, from which <c>test/E2B.Sdk/readme.mjs</c> makes the README's lines: of each package and file the latest run.</summary>
    private static string Results { get; } = Path.GetFullPath(Path.Combine(Programs.Directory, "../sdk.json"));

    public override async ValueTask InitializeAsync()
    {
        _node = (await Runner.RunAsync(Path.Combine(Tests, "prepare"), [])).Ok().Lines[^1];
        await base.InitializeAsync();
    }

    /// <summary>Runs a file of tests; fails with what it said when one of them does.</summary>
    /// <param name="file">Relative to <see cref="Tests"/>.</param>
    /// <param name="package">The package under test, or its alias in package.json.</param>
    internal async Task RunAsync(string file, string package = "e2b")
    {
        var url = $"http://{Variables["MITOS_LISTEN"]}";
        await RunAsync(file, package, new() { ["E2B_API_URL"] = url, ["E2B_SANDBOX_URL"] = url, ["E2B_API_KEY"] = (await EnvAsync())["E2B_API_KEY"] });
    }

    /// <summary>The same by host names and TLS, told by <c>mitos env</c> only.</summary>
    internal async Task RunByDomainAsync(string file, string package = "e2b") =>
        await RunAsync(file, package, new(await EnvAsync()) { ["NODE_OPTIONS"] = $"--import={Path.Combine(Tests, "lib/localhost.mjs")}" });

    private async Task<Dictionary<string, string>> EnvAsync() => JsonSerializer.Deserialize<Dictionary<string, string>>((await MitosAsync("env", "--json")).Ok().Output)!;

    private async Task RunAsync(string file, string package, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(_node, ["--test", $"--test-reporter={Path.Combine(Tests, "lib/reporter.mjs")}", "--test-timeout=600000", file])
        {
            WorkingDirectory = Tests,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        environment["E2B_SDK"] = package;
        environment["E2B_SDK_RESULTS"] = Results;
        foreach (var (name, value) in Variables.Concat(environment)) // a test restarts the daemon
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
        var cases = Parse(await output);
        await RefreshPidAsync();
        var failed = cases.Where(one => one is { Passed: false, Awaiting: null }).Select(one => $"✖ {one.Name} ({one.Ms} ms)\n{one.Error}").ToList();
        Assert.True(process.ExitCode == 0 && failed.Count == 0, $"{file} with {package}: {failed.Count} of {cases.Count} failed\n{string.Join("\n", failed)}\n{await errors}");
        Assert.NotEmpty(cases);
    }

    private static List<SdkCase> Parse(string output) => output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(line => line.StartsWith('{')).Select(line => JsonSerializer.Deserialize<SdkCase>(line, JsonSerializerOptions.Web)!).ToList();
}
