using System.Text.Json;
using Mitos.Server.E2B.Control;

namespace Mitos.Server.E2B.Envd;

/// <summary>/metrics and /envs.</summary>
internal static class EnvdFacts
{
    /// <summary>What the guest has now; its processors' share is that of the last sample, for the guest itself only counts since the boot of its template.</summary>
    public static async Task WriteMetricsAsync(EnvdCall call, MetricSamples samples)
    {
        var share = await samples.ReadCpuShareAsync(call.Sandbox, call.Ended);
        var metrics = await call.Agent.GetMetricsAsync(call.Ended);
        var used = metrics.MemoryTotalBytes - metrics.MemoryAvailableBytes;
        await WriteAsync(call, writer =>
        {
            writer.WriteNumber("ts", DateTimeOffset.UtcNow.ToUnixTimeSeconds());
            writer.WriteNumber("cpu_count", metrics.CpuCount);
            writer.WriteNumber("cpu_used_pct", share);
            writer.WriteNumber("mem_total", metrics.MemoryTotalBytes);
            writer.WriteNumber("mem_used", used);
            writer.WriteNumber("mem_cache", metrics.MemoryCachedBytes);
            writer.WriteNumber("mem_total_mib", metrics.MemoryTotalBytes >> 20);
            writer.WriteNumber("mem_used_mib", used >> 20);
            writer.WriteNumber("disk_used", metrics.DiskUsedBytes);
            writer.WriteNumber("disk_total", metrics.DiskTotalBytes);
        });
    }

    public static Task WriteEnvironmentAsync(EnvdCall call) => WriteAsync(call, writer =>
    {
        foreach (var (name, value) in ProcessSpecs.EnvironmentOf(call))
            writer.WriteString(name, value);
    });

    private static async Task WriteAsync(EnvdCall call, Action<Utf8JsonWriter> write)
    {
        call.Context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(call.Context.Response.BodyWriter);
        writer.WriteStartObject();
        write(writer);
        writer.WriteEndObject();
    }
}
