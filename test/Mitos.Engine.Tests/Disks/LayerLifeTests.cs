using FsCheck.Xunit;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Disks;

/// <summary>Random lives of machines over a real store: nothing is leaked, nothing goes that is used, whenever the engine dies.</summary>
public sealed class LayerLifeTests
{
    public enum Deed
    {
        BuildTemplate, Create, Fork, ForkUnwritten, ForkPromoted, Flatten, Remove, Crash,
    }

    /// <param name="Deed">What is done.</param>
    /// <param name="Which">To whom.</param>
    /// <param name="Children">A fork's children, less one.</param>
    /// <param name="DiesAfter">The engine dies after this many steps of it; most deeds have fewer.</param>
    public sealed record Step(Deed Deed, byte Which, byte Children, byte DiesAfter);

    [Property(MaxTest = 300)]
    public void Nothing_is_leaked_and_nothing_goes_that_is_used(Step[] steps)
    {
        using var scratch = new Scratch();
        var life = new LayerLife(scratch.Root);
        foreach (var step in (Step[])[new(Deed.BuildTemplate, 0, 0, 99), new(Deed.Create, 0, 0, 99), .. steps.Where(step => step is not null)])
        {
            if (Run(life, step))
                life.Crash();
            Assert.Equal(life.Held().Order(Comparer), life.OnDisk().Order(Comparer));
        }
        life.Crash();
        Assert.Equal(life.Held().Order(Comparer), life.OnDisk().Order(Comparer));
    }

    private static readonly Comparer<Engine.Disks.LayerId> Comparer = Comparer<Engine.Disks.LayerId>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()));

    // True when the engine died in the middle.
    private static bool Run(LayerLife life, Step step)
    {
        var deed = step.Deed switch
        {
            Deed.BuildTemplate => life.BuildTemplate(),
            Deed.Create => life.Create(step.Which),
            Deed.Fork => life.Fork(step.Which, 1 + (step.Children % 3), written: true, promote: false),
            Deed.ForkUnwritten => life.Fork(step.Which, 1 + (step.Children % 3), written: false, promote: false),
            Deed.ForkPromoted => life.Fork(step.Which, 1 + (step.Children % 3), written: true, promote: true),
            Deed.Flatten => life.Flatten(step.Which),
            Deed.Remove => life.Remove(step.Which),
            _ => [],
        };
        var done = 0;
        foreach (var _ in deed)
        {
            Assert.Superset(life.Held(), life.OnDisk()); // also in the middle nothing is missing
            if (++done > step.DiesAfter % 20)
                return true;
        }
        return step.Deed == Deed.Crash;
    }
}
