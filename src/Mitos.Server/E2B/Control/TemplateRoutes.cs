using Mitos.Engine.Errors;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;

namespace Mitos.Server.E2B.Control;

/// <summary>/templates, /v2/templates: the engine's templates, by their names.</summary>
internal static class TemplateRoutes
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/templates", (ITemplates templates) => Results.Json(List(templates), E2BJson.Default.ListTemplateBody));
        app.MapGet("/v2/templates", (ITemplates templates) => Results.Json(List(templates), E2BJson.Default.ListTemplateBody));
        app.MapGet("/templates/aliases/{alias}", (string alias, ITemplates templates) =>
            Results.Json(new TemplateAliasBody(Get(templates, alias).Name, Public: true), E2BJson.Default.TemplateAliasBody));
        app.MapDelete("/templates/{id}", async (string id, ITemplates templates, ISnapshots snapshots) =>
        {
            if (snapshots.TryFind(id) is { } snapshot) // clients take snapshots for templates
            {
                snapshots.Remove(snapshot.Id);
                return Results.NoContent();
            }
            await templates.RemoveAsync(Get(templates, id).Name, CancellationToken.None);
            return Results.NoContent();
        });
    }

    private static List<TemplateBody> List(ITemplates templates) => templates.List().Select(template => new TemplateBody
    {
        TemplateID = template.Name,
        BuildID = template.Generation,
        CpuCount = template.CpuCount,
        MemoryMB = template.MemoryMiB,
        DiskSizeMB = (int)(template.DiskBytes >> 20),
        Public = true,
        CreatedAt = template.CreatedAt,
        UpdatedAt = template.CreatedAt,
        EnvdVersion = E2BOptions.EnvdVersion,
        Aliases = [template.Name],
        Names = [template.Name],
        BuildStatus = "ready",
        BuildCount = 1,
        SpawnCount = template.Sandboxes,
    }).ToList();

    private static TemplateInfo Get(ITemplates templates, string name)
    {
        try
        {
            return templates.Get(name);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw new E2BException(404, e.Message);
        }
    }
}
