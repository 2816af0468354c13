using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Errors;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.E2B.Control;

/// <summary>/templates, /v2/templates: the engine's templates, by their names.</summary>
internal static class TemplateRoutes
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/templates", (ITemplates templates) => Results.Json(templates.List().Select(Describe).ToList(), E2BJson.Default.ListTemplateBody));
        app.MapGet("/v2/templates", (ITemplates templates, HttpContext context) => Results.Json(
            Paging.Parse(context.Request.Query).Take(context, templates.List(), template => (template.CreatedAt, template.Name)).ConvertAll(Describe), E2BJson.Default.ListTemplateBody));
        app.MapGet("/templates/{id}", (string id, ITemplates templates) => Results.Json(DescribeBuilds(Get(templates, id)), E2BJson.Default.TemplateWithBuildsBody));
        app.MapGet("/templates/aliases/{alias}", (string alias, ITemplates templates) =>
        {
            var template = Get(templates, alias);
            return Results.Json(new TemplateAliasBody(template.Name, OwnedTemplates.IsPublic(template)), E2BJson.Default.TemplateAliasBody);
        });
        app.MapPatch("/v2/templates/{id}", (string id, OwnedTemplates templates, HttpContext context) => UpdateAsync(id, templates, context));
        app.MapPatch("/templates/{id}", async (string id, OwnedTemplates templates, HttpContext context) =>
        {
            await UpdateAsync(id, templates, context);
            return Results.Ok();
        });
        app.MapDelete("/templates/{id}", async (string id, ITemplates templates, ISnapshots snapshots) =>
        {
            if (snapshots.TryFind(SandboxControl.TemplateName(id)) is { } snapshot) // clients take snapshots for templates
            {
                snapshots.Remove(snapshot.Id);
                return Results.NoContent();
            }
            await templates.RemoveAsync(Get(templates, id).Name, CancellationToken.None);
            return Results.NoContent();
        });
    }

    private static async Task<IResult> UpdateAsync(string id, OwnedTemplates templates, HttpContext context)
    {
        var request = await SandboxRoutes.ReadAsync(context, E2BJson.Default.TemplateUpdateRequest);
        var template = Get(templates, id);
        if (request?.Public is { } wanted)
            templates.SetVisibility(template.Name, wanted);
        return Results.Json(new TemplateUpdateBody([template.Name]), E2BJson.Default.TemplateUpdateBody);
    }

    private static TemplateBody Describe(TemplateInfo template) => new()
    {
        TemplateID = template.Name,
        BuildID = BuildIdOf(template),
        CpuCount = template.CpuCount,
        MemoryMB = template.MemoryMiB,
        DiskSizeMB = template.DiskMiB,
        Public = OwnedTemplates.IsPublic(template),
        CreatedAt = template.CreatedAt,
        UpdatedAt = template.CreatedAt,
        EnvdVersion = E2BOptions.EnvdVersion,
        Aliases = [template.Name],
        Names = [template.Name],
        BuildStatus = "ready",
        BuildCount = 1,
        SpawnCount = template.Spawned,
        LastSpawnedAt = template.LastSpawnedAt,
    };

    private static TemplateWithBuildsBody DescribeBuilds(TemplateInfo template) => new()
    {
        TemplateID = template.Name,
        Public = OwnedTemplates.IsPublic(template),
        Aliases = [template.Name],
        Names = [template.Name],
        CreatedAt = template.CreatedAt,
        UpdatedAt = template.CreatedAt,
        SpawnCount = template.Spawned,
        LastSpawnedAt = template.LastSpawnedAt,
        Builds = [new TemplateBuildBody(BuildIdOf(template), "ready", template.CreatedAt, template.CreatedAt, template.CreatedAt, template.CpuCount, template.MemoryMiB, template.DiskMiB, E2BOptions.EnvdVersion)],
    };

    // Theirs are UUIDs; a generation has an id of another form.
    private static Guid BuildIdOf(TemplateInfo template) => new(SHA256.HashData(Encoding.ASCII.GetBytes(template.Generation)).AsSpan(0, 16));

    private static TemplateInfo Get(ITemplates templates, string name)
    {
        try
        {
            return templates.Get(SandboxControl.TemplateName(name));
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw new E2BException(404, $"{e.Message} {e.Remedy}");
        }
    }
}
