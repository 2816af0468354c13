using FsCheck.Xunit;
using Mitos.Engine.Disks;

namespace Mitos.Engine.Tests.Disks;

public sealed class LayerIdTests
{
    [Fact]
    public void A_new_id_is_read_back_and_no_two_are_the_same()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => LayerId.New()).ToHashSet();
        Assert.Equal(1000, ids.Count);
        Assert.All(ids, id => Assert.Equal(id, LayerId.Parse(id.ToString())));
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("0123456789abcde")]
    [InlineData("0123456789abcdef0")]
    [InlineData("0123456789ABCDEF")]
    [InlineData("../../etc/passwd")]
    [InlineData("0123456789abcde\n")]
    public void What_is_no_id_is_refused(string? text)
    {
        Assert.False(LayerId.TryParse(text, out var id));
        Assert.Equal("", id.ToString());
        Assert.Throws<FormatException>(() => LayerId.Parse(text!));
    }

    [Property]
    public void Any_text_is_an_id_or_refused_and_an_id_is_its_text(string? text)
    {
        if (LayerId.TryParse(text, out var id))
            Assert.Equal(text, id.ToString());
    }
}
