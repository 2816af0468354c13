using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Templates;
using Mitos.Engine.Templates.Recipes;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>/v1/templates</summary>
internal static class TemplateRoutes
{
    private const long MaxBuildBody = 1L << 30;

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/templates").WithTags("templates");
        group.MapPost("/", BuildAsync).WithName("buildTemplate").WithSummary("Builds a template").WithMetadata(new RequestSizeLimitAttribute(MaxBuildBody))
            .WithDescription("Answers lines of JSON, each a BuildEvent: progress, and last the template or the error. What is refused before the first step has a status and an error body instead. A client that goes away ends its build.")
            .Produces<BuildEvent>(200, "application/x-ndjson");
        group.MapGet("/", (ITemplates templates) => templates.List().Select(template => template.ToBody()).ToList()).WithName("listTemplates").WithSummary("Lists the templates");
        group.MapGet("/{name}", (string name, ITemplates templates) => templates.Get(name).ToBody()).WithName("getTemplate").WithSummary("Gets a template");
        group.MapPatch("/{name}", (string name, [FromBody] UpdateTemplateRequest request, OwnedTemplates templates) => Update(name, request, templates))
            .WithName("updateTemplate").WithSummary("Says whether all teams may use a template").WithDescription("Its own team and the unix socket may; another team that sees it is refused with 403. Sandboxes that are there live on.");
        group.MapDelete("/{name}", async (string name, ITemplates templates) =>
        {
            await templates.RemoveAsync(name, CancellationToken.None);
            return Results.NoContent();
        }).WithName("removeTemplate").WithSummary("Removes a template that nothing uses").Produces(204);
    }

    private static async Task BuildAsync(HttpContext context, [FromBody] BuildTemplateRequest request, ITemplates templates)
    {
        var spec = ToSpec(request);
        var events = Channel.CreateUnbounded<BuildEvent>();
        var build = Task.Run(() => RunAsync(templates, spec, events.Writer, context.RequestAborted));
        if (!await events.Reader.WaitToReadAsync(CancellationToken.None))
            await build; // it failed before it began
        context.Response.ContentType = "application/x-ndjson";
        await foreach (var next in events.Reader.ReadAllAsync(CancellationToken.None))
            await WriteAsync(context.Response, next);
        var failure = await build.ContinueWith(done => done.Exception?.InnerException, TaskScheduler.Default);
        if (failure is not null)
            await WriteAsync(context.Response, new BuildEvent { Error = Errors.Describe(failure).Body });
    }

    private static async Task RunAsync(ITemplates templates, BuildTemplateSpec spec, ChannelWriter<BuildEvent> events, CancellationToken cancellationToken)
    {
        try
        {
            var built = await templates.BuildAsync(spec, new Reporter(events), cancellationToken);
            events.TryWrite(new BuildEvent { Template = built.ToBody() });
        }
        finally
        {
            events.Complete();
        }
    }

    private static async Task WriteAsync(HttpResponse response, BuildEvent next)
    {
        await response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(next, ApiJson.Context.BuildEvent));
        await response.Body.WriteAsync("\n"u8.ToArray());
        await response.Body.FlushAsync();
    }

    private static TemplateBody Update(string name, UpdateTemplateRequest request, OwnedTemplates templates)
    {
        templates.Check(name); // what is not there is told first
        return templates.SetVisibility(name, request.Public ?? throw SandboxException.Invalid("public is missing: whether all teams may use the template.", "Give public: true or false.")).ToBody();
    }

    private static BuildTemplateSpec ToSpec(BuildTemplateRequest request) => new()
    {
        Name = request.Name ?? throw SandboxException.Invalid("A template needs a name.", "Give name."),
        From = request.From ?? (BuiltInTemplates.Contains(request.Name) ? null : "base"),
        Steps = (request.Steps ?? []).Select(ToStep).ToList(),
        Environment = request.Env ?? [],
        StartCommand = request.Start,
        ReadyCommand = request.Ready,
        CpuCount = request.CpuCount,
        MemoryMiB = request.MemoryMiB,
        NoCache = request.NoCache,
    };

    private static BuildStep ToStep(BuildStepBody? step) => step is null
        ? throw SandboxException.Invalid("A step is null.", "Give each step run, or copyTarBase64 and copyTo.")
        : new BuildStep { Run = step.Run, CopyTarget = step.CopyTo, CopyContent = step.CopyTarBase64 is { } tar ? Decode(tar) : null };

    private static byte[] Decode(string base64)
    {
        try
        {
            return Convert.FromBase64String(base64);
        }
        catch (FormatException e)
        {
            throw SandboxException.Invalid($"copyTarBase64 is no base64: {e.Message}", "Encode the archive with base64, padding included.");
        }
    }

    // Not Progress<T>: that would hand the lines over in any order.
    private sealed class Reporter(ChannelWriter<BuildEvent> events) : IProgress<BuildProgress>
    {
        public void Report(BuildProgress value) =>
            events.TryWrite(new BuildEvent { Step = value.Step, Index = value.Index, Count = value.Count, Message = value.Message, Output = value.IsOutput });
    }
}
