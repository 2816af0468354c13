using System.Collections.Concurrent;
using System.Diagnostics;

namespace Mitos.Linux.Tests.Hosting;

/// <summary>Builds C programs with clang, into a directory that goes with the tests.</summary>
internal static class CProgram
{
    private static readonly ConcurrentDictionary<string, Lazy<string>> Built = new();

    /// <summary>Builds native/NAME.c, once.</summary>
    /// <returns>Path of the program.</returns>
    public static string Build(string name) => Built.GetOrAdd(name, _ => new Lazy<string>(() =>
    {
        var program = Path.Combine(Scratch.Shared, name);
        Run("clang", "-std=gnu17", "-w", "-O1", "-o", program, Path.Combine(AppContext.BaseDirectory, "native", name + ".c"));
        return program;
    })).Value;

    /// <summary>Runs a program and returns its output; fails with its errors when it does.</summary>
    public static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {errors.Result}");
        return output;
    }
}
