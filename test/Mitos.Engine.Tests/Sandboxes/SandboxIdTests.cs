using FsCheck.Xunit;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Tests.Sandboxes;

public sealed class SandboxIdTests
{
    [Fact]
    public void A_new_id_is_an_i_and_20_letters_or_digits_is_read_back_and_unlike_others()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => SandboxId.New()).ToHashSet();
        Assert.Equal(1000, ids.Count);
        Assert.All(ids, id => Assert.Matches(@"\Ai[a-z0-9]{20}\z", id.ToString()));
        Assert.All(ids, id => Assert.Equal(id, SandboxId.Parse(id.ToString())));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0aaaaaaaaaaaaaaaaaaaa")]
    [InlineData("iaaaaaaaaaaaaaaaaaaa")]
    [InlineData("iaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("iaaaaaaaaaaaaaaaaaaaA")]
    [InlineData("iaaaaaaaaaaaaaaaaaaa\n")]
    [InlineData("iaaaaaa/aaaaaaaaaaaaa")]
    public void What_is_no_id_is_refused(string? text)
    {
        Assert.False(SandboxId.TryParse(text, out var id));
        Assert.Equal("", id.ToString());
        Assert.Throws<FormatException>(() => SandboxId.Parse(text!));
    }

    [Property]
    public void Any_text_is_an_id_or_refused_and_an_id_is_its_text(string? text)
    {
        if (SandboxId.TryParse(text, out var id))
            Assert.Equal(text, id.ToString());
    }
}
