using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mitos.Bench;
using Mitos.Bench.Serving;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;

const string Usage = """
    mitos bench fork [--json [FILE]] [--quick] [--idle N]   measure forks; N idle forks at once (default 300, 40 when quick)
                     [--vmm V] [--accel A] [--firecracker PATH]   with which VMM, as `mitos up` (default: auto)
    mitos bench serve [--json [FILE]] [--quick] [--paused N]   measure E2B's routes; N paused sandboxes are listed (default 10000)
    mitos bench soak [--json [FILE]] [--minutes M] [--clients N]   random use by N clients (default 20), every answer checked
    mitos bench table FILE [README]                        put FILE's figures into README.md
    What was measured is JSON, on standard output or in FILE; what goes on is told on standard error.
    """;
using var interruption = new Interruption();
try
{
    switch (args)
    {
        case ["fork", ..]:
            return await ForkAsync(args, interruption.Token);
        case ["serve", ..]:
            return await ServeAsync(args, interruption.Token);
        case ["soak", ..]:
            return await SoakAsync(args, interruption.Token);
        case ["table", var file, ..]:
            Table.Write(args.ElementAtOrDefault(2) ?? "README.md", JsonNode.Parse(File.ReadAllText(file))!);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}
catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
{
    return interruption.ExitCode;
}
catch (Exception e) when (e is SandboxException or WrongAnswerException or HttpRequestException or IOException or InvalidOperationException or JsonException)
{
    Console.Error.WriteLine($"mitos bench: {e.Message}{(e is SandboxException { Remedy.Length: > 0 } refusal ? "\n  " + refusal.Remedy : "")}");
    return 1;
}

static async Task<int> ServeAsync(string[] args, CancellationToken ending)
{
    var quick = args.Contains("--quick");
    await using var daemon = await DaemonUnderTest.StartAsync(Programs(), ending);
    var figures = await new ServeBenchmark(daemon, quick, Say(Stopwatch.StartNew())).RunAsync(Number(args, "--paused", quick ? 200 : 10_000));
    Report("serve", Option(args, "--json"), HostProbe.Run(new EngineOptions()), figures);
    return 0;
}

static async Task<int> SoakAsync(string[] args, CancellationToken ending)
{
    await using var daemon = await DaemonUnderTest.StartAsync(Programs(), ending);
    var said = await new Soak(daemon, Number(args, "--clients", 20), Say(Stopwatch.StartNew())).RunAsync(TimeSpan.FromMinutes(Number(args, "--minutes", 5)));
    Report("soak", Option(args, "--json"), HostProbe.Run(new EngineOptions()), said);
    return (bool)said["ok"]! ? 0 : 1;
}

static async Task<int> ForkAsync(string[] args, CancellationToken ending)
{
    var quick = args.Contains("--quick");
    var idle = Number(args, "--idle", quick ? 40 : 300);
    var guest = Environment.GetEnvironmentVariable("MITOS_GUEST_DIR") ?? Path.Combine(Programs(), "mitosd");
    var defaults = new EngineOptions();
    var vmm = defaults with
    {
        Vmm = Option(args, "--vmm") ?? Variable("MITOS_VMM") ?? defaults.Vmm,
        Accelerator = Option(args, "--accel") ?? Variable("MITOS_ACCEL") ?? defaults.Accelerator,
        Firecracker = Path.GetFullPath(Option(args, "--firecracker") ?? Variable("MITOS_FIRECRACKER") ?? defaults.Firecracker),
    };
    await using var bench = await Bench.StartAsync(vmm, guest, warmShells: 4, ending);
    var facts = bench.Engine.ProbeHost();
    var figures = await new ForkBenchmark(bench, quick, Say(Stopwatch.StartNew())).RunAsync(idle);
    Report("fork", Option(args, "--json"), facts, figures);
    return 0;

    static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}

static string Programs() => Environment.GetEnvironmentVariable("MITOS_BIN") ?? AppContext.BaseDirectory;

static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var at && args.ElementAtOrDefault(at + 1) is { } value && !value.StartsWith("--", StringComparison.Ordinal) ? value : null;

static int Number(string[] args, string name, int fallback) => Option(args, name) is not { } text ? fallback
    : int.TryParse(text, out var number) && number > 0 ? number : throw new InvalidOperationException($"{name} wants a number above 0, not '{text}'");

static Action<string> Say(Stopwatch since) => what => Console.Error.WriteLine($"[{since.Elapsed.TotalSeconds,4:F0} s] {what}");

static void Report(string benchmark, string? file, HostFacts facts, JsonObject figures)
{
    var run = new JsonObject
    {
        ["benchmark"] = benchmark,
        ["date"] = DateTime.UtcNow.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture),
        ["revision"] = Revision(),
        ["file"] = file,
        ["host"] = new JsonObject
        {
            ["cpuModel"] = facts.CpuModel,
            ["cpuCount"] = facts.CpuCount,
            ["memoryMiB"] = facts.MemoryBytes >> 20,
            ["kernel"] = facts.Kernel,
            ["vmm"] = $"{facts.Vmm} {facts.VmmVersion} ({facts.Accelerator})",
        },
        ["figures"] = figures,
    };
    var text = run.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
    if (file is null)
        Console.WriteLine(text);
    else
        File.WriteAllText(file, text + "\n");
}

static string Revision()
{
    try
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["rev-parse", "--short", "HEAD"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        return git.StandardOutput.ReadToEnd().Trim();
    }
    catch (System.ComponentModel.Win32Exception)
    {
        return "unknown";
    }
}
