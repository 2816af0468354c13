using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Contracts;
using Spectre.Console;
using Tree = Spectre.Console.Tree;

namespace Mitos.Cli.Commands;

/// <summary>tree: who was forked from whom. Ancestors that are gone stay in the picture, so that a lineage is never torn.</summary>
internal static class TreeCommand
{
    private const int Indent = 4; // columns of a level

    public static Command Make() => new Command("tree", "Show who was forked from whom, with state, age and memory or disk").Runs(async (client, _, json, cancellationToken) =>
    {
        var nodes = await client.GetTreeAsync(memory: true, cancellationToken);
        if (json)
            Output.Json(nodes, ContractsJson.Default.ListTreeNodeBody);
        else
            Output.Tree(Draw(nodes));
        return ExitCode.Ok;
    });

    private static Tree Draw(List<TreeNodeBody> nodes)
    {
        var tree = new Tree(new Text(Output.Count(nodes.Count(node => node.Sandbox is not null), "sandbox")));
        var width = nodes.Select(node => (node.Depth * Indent) + Name(node).Length).DefaultIfEmpty().Max();
        var above = new Dictionary<string, TreeNode>();
        foreach (var node in nodes)
        {
            var label = new Text($"{Name(node).PadRight(width - (node.Depth * Indent))}  {State(node.Sandbox)}");
            above[node.Id] = node.Parent is { } parent ? above[parent].AddNode(label) : tree.AddNode(label);
        }
        return tree;
    }

    private static string Name(TreeNodeBody node) => node.Sandbox?.Name is { } name ? $"{node.Id} ({name})" : node.Id;

    private static string State(SandboxBody? sandbox)
    {
        if (sandbox is null)
            return "gone";
        var use = sandbox.Memory is { } memory ? $"  private {Output.MiB(memory.PrivateBytes),6}  shared {Output.MiB(memory.SharedBytes),6}  vmm {Output.MiB(memory.VmmBytes),5} MiB"
            : sandbox.SavedBytes is { } saved ? $"  on disk {Output.MiB(saved),6} MiB" : "";
        return $"{sandbox.State,-7}  {Output.Age(sandbox.CreatedAt),4}{use}";
    }
}
