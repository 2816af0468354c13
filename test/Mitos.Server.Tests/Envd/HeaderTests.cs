using Microsoft.AspNetCore.Http;
using Mitos.Engine.Sandboxes;
using Mitos.Server.E2B.Envd;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Files;
using Mitos.Server.Requests;

namespace Mitos.Server.Tests.Envd;

public sealed class HeaderTests
{
    [Theory]
    [InlineData(null, "identity")]
    [InlineData("", "identity")]
    [InlineData("gzip, deflate", "gzip")]
    [InlineData("br;q=1, GZIP;q=0.5", "gzip")]
    [InlineData("gzip;q=0.2, identity;q=0.8", "identity")]
    [InlineData("*", "identity")]
    [InlineData("br, identity;q=0, *", "gzip")]
    [InlineData("br", "identity")]
    [InlineData("gzip;q=0", "identity")]
    [InlineData("br, identity;q=0", null)]
    [InlineData("gzip;q=0, identity;q=0", null)]
    [InlineData(";;;", "identity")]
    public void The_compression_is_the_one_that_the_client_likes_best_of_what_there_is(string? header, string? expected)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers.AcceptEncoding = header;
        Assert.Equal(expected, ContentCoding.Accepted(request));
    }

    [Fact]
    public void Metadata_has_keys_in_small_letters_and_the_first_of_several_values()
    {
        var headers = new HeaderDictionary { ["X-Metadata-Author"] = new(["ada", "eve"]), ["x-metadata-"[..^1] + "-B_2"] = "", ["X-Meta"] = "no" };
        Assert.Equal(new Dictionary<string, string> { ["author"] = "ada", ["b_2"] = "" }, FileMetadata.Of(headers));
    }

    [Theory]
    [InlineData("", "v", "a key of metadata has 0 bytes")]
    [InlineData("k", "ü", "printable")]
    [InlineData("k", "a\tb", "printable")]
    [InlineData("kü", "v", "printable")]
    public void Metadata_that_cannot_be_kept_is_refused(string key, string value, string words) =>
        Assert.Contains(words, Assert.Throws<ConnectException>(() => FileMetadata.Of(new HeaderDictionary { ["X-Metadata-" + key] = value })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(246, 1, true)]
    [InlineData(247, 1, false)]
    [InlineData(7, 4080, true)] // 9 + 7 + 4080 = 4096
    [InlineData(7, 4081, false)]
    public void Metadata_has_the_limits_of_the_contract(int key, int value, bool fits)
    {
        var headers = new HeaderDictionary { ["X-Metadata-" + new string('k', key)] = new string('v', value) };
        if (fits)
            Assert.Single(FileMetadata.Of(headers));
        else
            Assert.Equal(400, Assert.Throws<ConnectException>(() => FileMetadata.Of(headers)).Status);
    }

    [Fact]
    public void Calls_beyond_a_limit_are_refused_with_it_and_room_comes_back()
    {
        var (one, other, foreign) = (SandboxId.New(), SandboxId.New(), SandboxId.New());
        var calls = new OpenCalls(id => id == foreign.ToString() ? "blue" : "red", ofOne: 2, ofTeam: 3, ofAll: 4);
        using var first = calls.Enter(one);
        var second = calls.Enter(one);
        var error = Server.E2B.Envd.Connect.ConnectException.Of(Assert.Throws<TooManyCallsException>(() => calls.Enter(one)));
        Assert.Equal(("resource_exhausted", 429), (error.Code, error.Status));
        Assert.StartsWith("2 calls of this sandbox are open", error.Message, StringComparison.Ordinal);
        using var third = calls.Enter(other);
        Assert.StartsWith("3 calls of this team's sandboxes are open", Assert.Throws<TooManyCallsException>(() => calls.Enter(other)).Message, StringComparison.Ordinal);
        using (calls.Enter(foreign)) // what one team has open is not in the way of another
            Assert.StartsWith("4 calls are open on this server", Assert.Throws<TooManyCallsException>(() => calls.Enter(foreign)).Message, StringComparison.Ordinal);
        second.Dispose();
        calls.Enter(one).Dispose();
    }
}
