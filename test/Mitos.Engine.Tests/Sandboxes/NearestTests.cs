using FsCheck;
using FsCheck.Xunit;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Tests.Sandboxes;

public sealed class NearestTests
{
    [Theory]
    [InlineData("bsae", "base")]
    [InlineData("Base", "base")]
    [InlineData("pyhton", "python")]
    [InlineData("web-servr", "web-server")]
    [InlineData("", "ab")]
    public void A_slip_is_recognised(string text, string meant) =>
        Assert.Equal($"Did you mean '{meant}'?", Nearest.Suggest(text, ["ab", "base", "python", "python3", "web-server"]));

    [Theory]
    [InlineData("nonsense")]
    [InlineData("zzz")]
    [InlineData("b-a-s-e-x-y")]
    public void What_is_far_from_all_is_answered_with_nothing(string text) => Assert.Null(Nearest.Suggest(text, ["base", "python"]));

    [Fact]
    public void Without_names_there_is_no_suggestion() => Assert.Null(Nearest.Suggest("x", []));

    [Property]
    public void The_nearest_is_no_farther_than_any_other(NonNull<string> text, NonEmptyArray<NonNull<string>> known)
    {
        var names = known.Get.Select(name => name.Get).ToList();
        var least = names.Min(name => Distance(text.Get, name));
        var limit = Math.Max(2, text.Get.Length / 3);
        var suggestion = Nearest.Suggest(text.Get, names);
        if (least > limit)
            Assert.Null(suggestion);
        else
            Assert.Contains(suggestion, names.Where(name => Distance(text.Get, name) == least).Select(name => $"Did you mean '{name}'?"));
    }

    // Levenshtein's distance as it is defined.
    private static int Distance(string a, string b)
    {
        var known = new Dictionary<(int, int), int>();
        return To(a.Length, b.Length);

        int To(int i, int j)
        {
            if (i == 0 || j == 0)
                return i + j;
            if (!known.TryGetValue((i, j), out var distance))
                known[(i, j)] = distance = Math.Min(Math.Min(To(i - 1, j), To(i, j - 1)) + 1, To(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1));
            return distance;
        }
    }
}
