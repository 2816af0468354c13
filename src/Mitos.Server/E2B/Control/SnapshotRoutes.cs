using Mitos.Engine.Snapshots;

namespace Mitos.Server.E2B.Control;

/// <summary>/snapshots: what clients keep of sandboxes. Deleting one is a matter of /templates.</summary>
internal static class SnapshotRoutes
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapPost("/sandboxes/{id}/snapshots", async (string id, SandboxControl control, HttpContext context) => Results.Json(
            await control.SnapshotAsync(id, (await SandboxRoutes.ReadAsync(context, E2BJson.Default.SnapshotRequest))?.Name, context.RequestAborted), E2BJson.Default.SnapshotBody, statusCode: 201));
        app.MapGet("/snapshots", List);
    }

    private static IResult List(ISnapshots snapshots, HttpContext context)
    {
        var query = context.Request.Query;
        var (source, name) = (SandboxControl.ShortId(query["sandboxID"].ToString()), SandboxControl.TemplateName(query["name"].ToString()));
        var matching = snapshots.List().Where(snapshot => (source.Length == 0 || snapshot.Source.ToString() == source) && (name.Length == 0 || snapshot.Name == name || snapshot.Id == name));
        var page = Paging.Parse(query).Take(context, matching, snapshot => (snapshot.CreatedAt, snapshot.Id));
        return Results.Json(page.ConvertAll(SandboxControl.Describe), E2BJson.Default.ListSnapshotBody);
    }
}
