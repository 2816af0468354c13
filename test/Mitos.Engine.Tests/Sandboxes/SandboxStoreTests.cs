using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Sandboxes;

public sealed class SandboxStoreTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly SandboxStore _store;

    public SandboxStoreTests()
    {
        _store = new SandboxStore(_scratch["sandboxes"]);
        foreach (var (id, name) in ((string, string?)[])[("iabc00000000000000000", "web"), ("iabd00000000000000000", null), ("iabd10000000000000000", "iab"), ("izzz00000000000000000", "iabd0")])
            _store.Add(new Sandbox(Records.Sandbox(id, name), null, null));
    }

    [Theory]
    [InlineData("iabc00000000000000000", "iabc00000000000000000")] // the id
    [InlineData("web", "iabc00000000000000000")] // the name
    [InlineData("iabc", "iabc00000000000000000")] // a beginning that only one has
    [InlineData("iz", "izzz00000000000000000")]
    [InlineData("iab", "iabd10000000000000000")] // a name has precedence over a beginning
    [InlineData("iabd0", "izzz00000000000000000")]
    [InlineData("iabd00", "iabd00000000000000000")]
    public void A_sandbox_is_found_by_id_name_or_beginning_in_this_order(string text, string id) => Assert.Equal(id, _store.Find(text).Record.Id);

    [Fact]
    public void A_beginning_of_several_is_refused_with_their_ids()
    {
        var error = Refusal.Check(ErrorCode.Conflict, "'iabd'", () => _store.Find("iabd"));
        Assert.Contains("iabd00000000000000000, iabd10000000000000000", error.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "`mitos ls`")]
    [InlineData("iabcd", "Did you mean 'iab'?")] // of names as near, the first
    [InlineData("wbe", "Did you mean 'web'?")]
    [InlineData("iabc00000000000000001", "Did you mean 'iabc00000000000000000'?")]
    [InlineData("something quite different", "`mitos ls`")]
    [InlineData("../../etc/passwd", "`mitos ls`")]
    public void What_is_not_there_is_refused_with_the_nearest_or_the_list(string text, string remedy) =>
        Assert.Contains(remedy, Refusal.Check(ErrorCode.NotFound, $"'{text}'", () => _store.Find(text)).Remedy, StringComparison.Ordinal);

    [Fact]
    public void A_long_text_is_not_repeated_in_full() =>
        Assert.InRange(Refusal.Check(ErrorCode.NotFound, "xxx…", () => _store.Find(new string('x', 1_000_000))).Message.Length, 80, 200);

    [Fact]
    public void An_id_that_is_not_there_is_refused() => Refusal.Check(ErrorCode.NotFound, "iqqq00000000000000000", () => _store.Get(SandboxId.Parse("iqqq00000000000000000")));

    [Fact]
    public void A_name_is_taken_once_until_it_is_let_go_of()
    {
        _store.TakeName("", "fresh");
        Assert.Contains("mitos rm fresh", Refusal.Check(ErrorCode.Conflict, "'fresh'", () => _store.TakeName("", "fresh")).Remedy, StringComparison.Ordinal);
        _store.ReleaseName("", "fresh");
        _store.TakeName("", "fresh");
        _store.TakeName("", null);
        _store.TakeName("", null);
        _store.ReleaseName("", null);
    }

    [Fact]
    public void Of_many_who_want_a_name_at_once_one_gets_it()
    {
        var got = 0;
        Parallel.For(0, 200, _ =>
        {
            try
            {
                _store.TakeName("", "wanted");
                Interlocked.Increment(ref got);
            }
            catch (SandboxException)
            {
                // the others
            }
        });
        Assert.Equal(1, got);
    }

    [Fact]
    public void What_is_removed_is_gone_with_its_journal_and_its_name_is_free()
    {
        _store.TakeName("", "web");
        _store.Remove(_store.Find("web"));
        _store.TakeName("", "web");
        Refusal.Check(ErrorCode.NotFound, "iabc00000000000000000", () => _store.Find("iabc00000000000000000"));
        Assert.Equal(3, new SandboxStore(_scratch["sandboxes"]).ReadJournals(path => Assert.Fail(path)).Count());
    }

    [Fact]
    public void A_stopped_sandbox_says_what_it_is_and_what_can_be_done_when_it_is_needed_running()
    {
        var sandbox = new Sandbox(Records.Sandbox("istopped0000000000000") with { StopReason = "its machine ended" }, null, null);
        var error = Refusal.Check(ErrorCode.FailedPrecondition, "istopped0000000000000", () => sandbox.RunningMachine("forked"));
        Assert.Contains("stopped (its machine ended) and cannot be forked", error.Message, StringComparison.Ordinal);
        Assert.Contains("mitos rm istopped0000000000000", error.Remedy, StringComparison.Ordinal);
        Refusal.Check(ErrorCode.FailedPrecondition, "reached", () => sandbox.RunningAgent("reached"));
    }

    public void Dispose() => _scratch.Dispose();
}
