using System.Globalization;
using Mitos.Cli.Terminal;
using Spectre.Console;
using Tree = Spectre.Console.Tree;

namespace Mitos.Cli.Demo;

/// <summary>What the demo shows at its end: the tree of children, and what it would have cost to make them one by one. Fits 80 columns.</summary>
internal static class DemoReport
{
    public static void Print(DemoBody seen)
    {
        var tree = new Tree(new Text($"{seen.Source}  the source, still running, private {Output.MiB(seen.SourceMemory.PrivateBytes)} MiB"));
        tree.AddNode(new Text("                  ready  first private"));
        tree.AddNode(new Text("child                ms     ms     MiB  score  strategy"));
        foreach (var child in seen.Children.OrderBy(child => child.Index))
            tree.AddNode(new Text(FormattableString.Invariant($"{child.Id}{child.ReadyUs / 1000,7}{child.FirstCommandUs / 1000,7}{Output.MiB(child.Memory.PrivateBytes),8}  {child.Score:F3}  {child.Strategy}{(child.Best ? " <- best" : "")}")));
        Output.Tree(tree);
        Compare(seen);
    }

    private static void Compare(DemoBody seen)
    {
        var (count, warm, cores) = (seen.Children.Count, TimeSpan.FromSeconds(seen.WarmUpSeconds), Environment.ProcessorCount);
        var forked = TimeSpan.FromMicroseconds(seen.Fork.TotalUs);
        var own = seen.Children.Sum(child => child.Memory.PrivateBytes + child.Memory.VmmBytes);
        var rebuilt = count * (seen.SourceMemory.PrivateBytes + seen.SourceMemory.VmmBytes);
        Output.Table([$"a fleet of {count}", "time s", "memory MiB", "how known"],
        [
            ["forked", Seconds(forked), Output.MiB(own), $"measured; and once for all {Output.MiB(seen.Children.Max(child => child.GenerationBytes))} MiB of image"],
            ["rebuilt", Seconds(warm * count), Output.MiB(rebuilt), $"{count} x the one above ({Seconds(warm)} s), in turn"],
            ["rebuilt at once", Seconds(warm * count / cores), Output.MiB(rebuilt), $"the same on {cores} cores, at the very best"],
        ]);
        Output.Line(string.Create(CultureInfo.InvariantCulture, $"forked: {warm * count / cores / forked:F0} times faster than the very best rebuild, {(double)rebuilt / own:F1} times less memory of their own"));
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture);
}
