using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mitos.Bench;
using Mitos.Engine;
using Mitos.Engine.Errors;

const string Usage = """
    mitos bench fork [--json FILE] [--quick] [--idle N]   measure forks; N idle forks at once (default 300, 40 when quick)
                     [--vmm V] [--accel A] [--firecracker PATH]   with which VMM, as `mitos up` (default: auto)
    mitos bench table FILE [README]                        put FILE's figures into README.md
    """;
try
{
    switch (args)
    {
        case ["fork", ..]:
            return await ForkAsync(args);
        case ["table", var file, ..]:
            Table.Write(args.ElementAtOrDefault(2) ?? "README.md", JsonNode.Parse(File.ReadAllText(file))!);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}
catch (Exception e) when (e is SandboxException or IOException or InvalidOperationException or JsonException)
{
    Console.Error.WriteLine($"mitos bench: {e.Message}{(e is SandboxException { Remedy.Length: > 0 } refusal ? "\n  " + refusal.Remedy : "")}");
    return 1;
}

static async Task<int> ForkAsync(string[] args)
{
    var quick = args.Contains("--quick");
    var file = Option("--json");
    var idle = int.TryParse(Option("--idle"), out var count) ? count : quick ? 40 : 300;
    var guest = Environment.GetEnvironmentVariable("MITOS_GUEST_DIR") ?? Path.Combine(Environment.GetEnvironmentVariable("MITOS_BIN") ?? AppContext.BaseDirectory, "mitosd");
    var defaults = new EngineOptions();
    var vmm = defaults with
    {
        Vmm = Option("--vmm") ?? Variable("MITOS_VMM") ?? defaults.Vmm,
        Accelerator = Option("--accel") ?? Variable("MITOS_ACCEL") ?? defaults.Accelerator,
        Firecracker = Path.GetFullPath(Option("--firecracker") ?? Variable("MITOS_FIRECRACKER") ?? defaults.Firecracker),
    };
    await using var bench = await Bench.StartAsync(vmm, guest, warmShells: 4);
    var facts = bench.Engine.ProbeHost();
    var started = Stopwatch.StartNew();
    var figures = await new ForkBenchmark(bench, quick, what => Console.Error.WriteLine($"[{started.Elapsed.TotalSeconds,4:F0} s] {what}")).RunAsync(idle);
    var run = new JsonObject
    {
        ["benchmark"] = "fork",
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
    return 0;

    static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    string? Option(string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
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
