using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Mitos.Engine.Tests.Hosting;

/// <summary>Programs of the host that know better than we do: qemu-img, qemu-io.</summary>
internal static class Tool
{
    /// <summary>Runs one and returns its output; fails with its errors when it does.</summary>
    public static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {errors.Result}{output}");
        return output;
    }

    /// <summary>Runs one that answers in JSON.</summary>
    public static JsonNode Query(string program, params string[] arguments) => JsonNode.Parse(Run(program, arguments))!;
}
