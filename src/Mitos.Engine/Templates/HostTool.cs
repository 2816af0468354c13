using System.Diagnostics;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Templates;

/// <summary>Runs a program of the host and takes its output line by line.</summary>
internal static class HostTool
{
    /// <summary>In the environment of what makes a draft, and of all that it starts: whose end leaves the draft to nobody.</summary>
    public const string DraftVariable = "MITOS_DRAFT";

    /// <returns>Its standard output.</returns>
    /// <exception cref="SandboxException">FailedPrecondition: it is missing, or it failed; the message has the end of what it said.</exception>
    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, Action<string>? line, CancellationToken cancellationToken, string? directory = null, string? draft = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = directory ?? "/",
        };
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        if (draft is not null)
            start.Environment[DraftVariable] = draft;
        var output = new List<string>();
        var errors = new Queue<string>();
        using var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, e) => Take(e.Data, output.Add);
        process.ErrorDataReceived += (_, e) => Take(e.Data, errors.Enqueue);
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The program '{program}' cannot be run: {e.Message}.", "`mitos doctor` names the package that has it.", e);
        }
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            throw;
        }
        if (process.ExitCode != 0)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition,
                $"'{program} {string.Join(' ', arguments.Take(4))} …' ended with {process.ExitCode}: {string.Join(" / ", errors.TakeLast(5))}",
                "Its last lines say why; `mitos doctor` checks this host.");
        }
        return string.Join('\n', output);

        void Take(string? text, Action<string> keep)
        {
            if (text is null)
                return;
            lock (errors)
                keep(text);
            line?.Invoke(text);
        }
    }
}
