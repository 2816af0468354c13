using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Mitos.Linux.Processes;

namespace Mitos.Bench.Serving;

/// <summary>A real mitosd in directories of its own, with the template <c>base</c>.</summary>
internal sealed class DaemonUnderTest : IAsyncDisposable
{
    private const int Terminate = 15;
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);
    private readonly string _program, _cli;
    private Process? _process;

    private DaemonUnderTest(string programs, CancellationToken ending)
    {
        Ending = ending;
        var id = Guid.NewGuid().ToString("n")[..6];
        (_program, _cli) = (Path.Combine(programs, "mitosd", "mitosd"), Path.Combine(programs, "mitos"));
        (State, Run) = ($"/var/tmp/mitos-bench-{id}", $"/tmp/mb-{id}");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");
    }

    public string State { get; }

    public string Run { get; }

    public Uri Address { get; }

    /// <summary>Set when the benchmark is given up: whatever is under way then ends with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Ending { get; }

    public int Pid => _process!.Id;

    public string Key => File.ReadAllText(Path.Combine(State, "api-key")).Trim();

    /// <param name="programs">Has mitos and mitosd/mitosd, as <c>./mitos build</c> makes it.</param>
    /// <param name="ending">Gives the benchmark up.</param>
    public static async Task<DaemonUnderTest> StartAsync(string programs, CancellationToken ending)
    {
        var daemon = new DaemonUnderTest(programs, ending);
        Directory.CreateDirectory(daemon.State);
        try
        {
            await daemon.StartAsync();
            await daemon.MitosAsync("template", "build", "base");
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the daemon; machines live on, and so does what is on disk.</summary>
    public async Task StopAsync()
    {
        if (_process is not { HasExited: false } process)
            return;
        await MitosAsync("down");
        await process.WaitForExitAsync(Ending);
    }

    public async Task StartAsync()
    {
        // setsid: Ctrl-C is for the benchmark, which ends the daemon itself
        var start = new ProcessStartInfo("setsid", [_program, "--state", State, "--run", Run, "--listen", $"127.0.0.1:{Address.Port}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Log(line.Data);
        _process.ErrorDataReceived += (_, line) => Log(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        using var http = new HttpClient { BaseAddress = Address };
        for (var until = DateTime.UtcNow + StartLimit; ; await Task.Delay(50, Ending))
        {
            try
            {
                (await http.GetAsync("health", Ending)).EnsureSuccessStatusCode();
                return;
            }
            catch (HttpRequestException) when (!_process.HasExited && DateTime.UtcNow < until)
            {
                // not yet
            }
        }
    }

    /// <exception cref="InvalidOperationException">It ended with another status than 0.</exception>
    public Task<string> MitosAsync(params string[] arguments) => MitosAsync(Ending, arguments);

    private async Task<string> MitosAsync(CancellationToken ending, params string[] arguments)
    {
        var start = new ProcessStartInfo("setsid", [_cli, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["MITOS_STATE"], start.Environment["MITOS_RUN"], start.Environment["MITOS_LISTEN"]) = (State, Run, $"127.0.0.1:{Address.Port}");
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.WaitForExitAsync(ending);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
        return process.ExitCode == 0 ? (await output).Trim() : throw new InvalidOperationException($"mitos {string.Join(' ', arguments)} ended with {process.ExitCode}: {await error}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
            {
                using var process = HostProcess.TryOpenAny(_process.Id);
                process?.TrySignal(Terminate);
            }
            await _process.WaitForExitAsync(); // also until all that it said was read
            _process.Dispose();
        }
        await MitosAsync(CancellationToken.None, "down", "--all"); // only now: what the daemon was about to make when its clients went is there too
        Directory.Delete(State, recursive: true);
        if (Directory.Exists(Run))
            Directory.Delete(Run, recursive: true);
    }

    private void Log(string? line)
    {
        if (line is not null)
            File.AppendAllText(Path.Combine(State, "mitosd.log"), line + "\n");
    }
}
