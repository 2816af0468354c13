using System.Text.Json;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Host;

/// <summary>./mitos, the script, in a checkout where nothing is built, on this host without a compiler.</summary>
public sealed class CheckoutTests(MitosFixture fixture)
{
    private const string Bare = """
        unshare --mount bash -ec '
          here=$(mktemp -d); mount -t tmpfs none "$here"; mkdir -p "$here/up" "$here/work" "$here/checkout"; chmod 755 "$here"
          cp "$MITOS_BIN"/../../{mitos,global.json} "$here/checkout"; export HOME=$here
          mount -t overlay overlay -o lowerdir=/usr/bin,upperdir="$here/up",workdir="$here/work" /usr/bin
          rm /usr/bin/clang
          set +e; cd "$here/checkout"; COMMAND; status=$?
          cd /; find "$here/checkout" -mindepth 1 ! -name mitos ! -name global.json -printf "made: %p\n"
          umount -l "$here"; rmdir "$here"; exit $status'
        """;

    [Fact]
    public async Task Doctor_names_what_is_missing_and_the_command_that_mends_it_and_installs_and_builds_nothing()
    {
        var result = await BareAsync("./mitos doctor");
        Assert.True(result.Code == 1, $"{result.Code} {result.Output} {result.Errors}");
        Assert.Matches(@"(?m)^packages +missing +clang$", result.Output);
        Assert.Contains("  packages: apt-get update && apt-get install -y --no-install-recommends clang\n", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("made: ", result.Output, StringComparison.Ordinal);
        Assert.Equal("", result.Errors);
        var json = JsonDocument.Parse((await BareAsync("./mitos doctor --json")).Output).RootElement;
        Assert.Equal(("packages", "missing", "clang"), (json.GetProperty("checks")[0].Text("name"), json.GetProperty("checks")[0].Text("status"), json.GetProperty("checks")[0].Text("finding")));
    }

    [Fact]
    public async Task Without_root_what_must_be_installed_is_refused_with_the_remedy()
    {
        var result = await BareAsync("setpriv --reuid 65534 --regid 65534 --clear-groups ./mitos up");
        Assert.True(result.Code == 1, $"{result.Code} {result.Output} {result.Errors}");
        Assert.Equal("mitos: this machine lacks clang; run this command as root, or have root run: apt-get update && apt-get install -y --no-install-recommends clang\n", result.Errors);
        Assert.DoesNotContain("made: ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_says_what_a_command_does_first()
    {
        var result = await BareAsync("./mitos");
        Assert.Contains("./mitos doctor", result.Ok(), StringComparison.Ordinal);
        Assert.DoesNotContain("made: ", result.Output, StringComparison.Ordinal);
    }

    private Task<Result> BareAsync(string command) => fixture.Mitos.ShellAsync(Bare.Replace("COMMAND", command, StringComparison.Ordinal));
}
