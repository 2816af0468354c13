using System.Globalization;

namespace Mitos.Engine.Vmm.Qemu;

/// <summary>Facts of /proc/cpuinfo.</summary>
internal static class HostCpu
{
    /// <summary>Clock rate of the first core, kHz.</summary>
    public static int ReadKHz() => (int)(double.Parse(Field("cpu MHz") ?? "2000", CultureInfo.InvariantCulture) * 1000);

    public static string Model() => Field("model name") ?? "unknown";

    public static string Microcode() => Field("microcode") ?? "unknown";

    /// <summary>Whether the processor offers virtualisation (vmx or svm) to this kernel.</summary>
    public static bool HasVirtualization() => (Field("flags") ?? "").Split(' ').Any(flag => flag is "vmx" or "svm");

    private static string? Field(string name) =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
