using System.ComponentModel;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Api;

/// <summary>/v1/tree, /v1/sandboxes/{id}/tree: who was forked from whom. A flat list, for a lineage may be deeper than JSON may nest.</summary>
internal static class TreeRoutes
{
    private const string Order = "Each sandbox comes after the one that it was forked from, the children of one in the order of their making. Removed ones are shown as long as descendants of theirs exist, in the place of the oldest of those.";

    public static void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/tree", (ISandboxes sandboxes, SandboxBodies bodies, [Description(SandboxRoutes.MemoryHelp)] bool memory = false) => Arrange(sandboxes, bodies, null, memory))
            .WithTags("sandboxes").WithName("getTree").WithSummary("Shows who was forked from whom").WithDescription(Order).Produces<List<TreeNodeBody>>();
        v1.MapGet("/sandboxes/{id}/tree", (string id, ISandboxes sandboxes, SandboxBodies bodies, [Description(SandboxRoutes.MemoryHelp)] bool memory = false) =>
            Arrange(sandboxes, bodies, sandboxes.Find(id).Id.ToString(), memory))
            .WithTags("sandboxes").WithName("getSandboxTree").WithSummary("Shows a sandbox and its descendants").WithDescription(Order).Produces<List<TreeNodeBody>>();
    }

    private static List<TreeNodeBody> Arrange(ISandboxes sandboxes, SandboxBodies bodies, string? root, bool memory)
    {
        var known = sandboxes.List().ToDictionary(info => info.Id.ToString());
        var children = ChildrenOf(known.Values);
        var nodes = new List<TreeNodeBody>();
        var open = new Stack<(string Id, string? Parent, int Depth)>(); // no recursion: a lineage may be deep
        foreach (var id in Enumerable.Reverse(root is null ? children[""] : [root]))
            open.Push((id, root is null ? null : known[id].ForkedFrom?.ToString(), 0));
        while (open.TryPop(out var next))
        {
            nodes.Add(new TreeNodeBody(next.Id, next.Depth, next.Parent, known.TryGetValue(next.Id, out var info) ? bodies.Describe(info, memory) : null));
            foreach (var child in Enumerable.Reverse(children.GetValueOrDefault(next.Id, [])))
                open.Push((child, next.Id, next.Depth + 1));
        }
        return nodes;
    }

    /// <summary>Ids by the id of their parent; the roots' is empty. Removed ones take part: lineages name them.</summary>
    private static Dictionary<string, List<string>> ChildrenOf(IEnumerable<SandboxInfo> all)
    {
        var placed = new HashSet<string>();
        var children = new Dictionary<string, List<string>> { [""] = [] };
        foreach (var info in all)
        {
            var parent = "";
            foreach (var id in info.Lineage.Append(info.Id).Select(id => id.ToString()))
            {
                if (placed.Add(id))
                {
                    if (!children.TryGetValue(parent, out var siblings))
                        children[parent] = siblings = [];
                    siblings.Add(id);
                }
                parent = id;
            }
        }
        return children;
    }
}
