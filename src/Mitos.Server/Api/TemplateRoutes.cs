using System.Text.Json;
using System.Threading.Channels;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Templates;

namespace Mitos.Server.Api;

/// <summary>/v1/templates</summary>
internal static class TemplateRoutes
{
    private const long MaxBuildBody = 1L << 30;

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/templates").WithTags("templates");
        group.MapPost("/", BuildAsync).WithSummary("Builds a template; answers lines of JSON").WithMetadata(new Microsoft.AspNetCore.Mvc.RequestSizeLimitAttribute(MaxBuildBody));
        group.MapGet("/", (ITemplates templates) => templates.List().Select(template => template.ToBody()).ToList()).WithSummary("Lists the templates");
        group.MapGet("/{name}", (string name, ITemplates templates) => templates.Get(name).ToBody()).WithSummary("Gets a template");
        group.MapDelete("/{name}", async (string name, ITemplates templates) =>
        {
            await templates.RemoveAsync(name, CancellationToken.None);
            return Results.NoContent();
        }).WithSummary("Removes a template");
    }

    private static async Task BuildAsync(HttpContext context, BuildTemplateRequest request, ITemplates templates)
    {
        var spec = ToSpec(request);
        var events = Channel.CreateUnbounded<BuildEvent>();
        // A client that goes away ends its build; nothing is kept of it.
        var build = Task.Run(() => RunAsync(templates, spec, events.Writer, context.RequestAborted));
        context.Response.ContentType = "application/x-ndjson";
        await foreach (var next in events.Reader.ReadAllAsync(CancellationToken.None))
        {
            await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(next, ContractsJson.Default.BuildEvent));
            await context.Response.Body.WriteAsync("\n"u8.ToArray());
            await context.Response.Body.FlushAsync();
        }
        await build;
    }

    private static async Task RunAsync(ITemplates templates, BuildTemplateSpec spec, ChannelWriter<BuildEvent> events, CancellationToken cancellationToken)
    {
        try
        {
            var built = await templates.BuildAsync(spec, new Reporter(events), cancellationToken);
            events.TryWrite(new BuildEvent { Template = built.ToBody() });
        }
        catch (Exception e)
        {
            events.TryWrite(new BuildEvent { Error = Errors.Describe(e).Body });
        }
        events.Complete();
    }

    private static BuildTemplateSpec ToSpec(BuildTemplateRequest request) => new()
    {
        Name = request.Name ?? throw SandboxException.Invalid("A template has no name.", "Give one in `name`."),
        From = request.From ?? (request.Name == "base" ? null : "base"),
        Steps = (request.Steps ?? []).Select(step => new BuildStep
        {
            Run = step.Run, CopyTarget = step.CopyTo, CopyContent = step.CopyTarBase64 is { } tar ? Decode(tar) : null,
        }).ToList(),
        Environment = request.Env ?? [], StartCommand = request.Start, ReadyCommand = request.Ready,
        CpuCount = request.CpuCount, MemoryMiB = request.MemoryMiB, NoCache = request.NoCache,
    };

    private static byte[] Decode(string base64)
    {
        try
        {
            return Convert.FromBase64String(base64);
        }
        catch (FormatException e)
        {
            throw SandboxException.Invalid($"copyTarBase64 is no base64: {e.Message}", "Encode the tar archive in base64.");
        }
    }

    // Not Progress<T>: that would hand the lines over in any order.
    private sealed class Reporter(ChannelWriter<BuildEvent> events) : IProgress<BuildProgress>
    {
        public void Report(BuildProgress value) =>
            events.TryWrite(new BuildEvent { Step = value.Step, Index = value.Index, Count = value.Count, Message = value.Message, Output = value.IsOutput });
    }
}
