using Mitos.Linux.Abi;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Processes;

public sealed class SpawnerTests
{
    [Fact]
    public void A_process_has_the_descriptors_it_was_given_and_no_others()
    {
        using var one = MemoryFile.Create("one", 4096);
        using var two = MemoryFile.Create("two", 4096);
        using var leak = MemoryFile.Create("a leak", 4096);
        Assert.Equal(0, Libc.Fcntl(leak.Descriptor, 2 /* F_SETFD */, 0)); // one that an exec would not close
        var high = Libc.Fcntl(leak.Descriptor, 0 /* F_DUPFD */, 900);
        using var highHandle = new Microsoft.Win32.SafeHandles.SafeFileHandle(high, ownsHandle: true);
        using var cat = new Spawned(options => options with { Descriptors = [.. options.Descriptors, two.Descriptor, one.Descriptor, two.Descriptor] });
        var found = Descriptors.Of(cat.Process.Id);
        Assert.Equal([0, 1, 2, 3, 4, 5], found.Keys);
        Assert.Equal(["/memfd:two (deleted)", "/memfd:one (deleted)", "/memfd:two (deleted)"], found.Values.Skip(3));
        Assert.Equal(found[0], found[1]);
    }

    [Fact]
    public void Descriptors_whose_numbers_are_each_other_s_targets_are_not_mixed_up()
    {
        // Every second number is free again, so that what is duplicated could land among the targets too.
        var files = Enumerable.Range(0, 60).Select(i => MemoryFile.Create($"file {i}", 4096)).ToList();
        var numbers = files.Where((_, i) => i % 2 == 0).Select(file => file.Descriptor).Reverse().ToList();
        foreach (var file in files.Where((_, i) => i % 2 == 1))
            file.Dispose();
        var ours = Descriptors.Of(Environment.ProcessId);
        using (var cat = new Spawned(options => options with { Descriptors = [.. options.Descriptors, .. numbers, .. numbers] }))
        {
            var theirs = Descriptors.Of(cat.Process.Id);
            Assert.Equal((2 * numbers.Count) + 3, theirs.Count);
            Assert.Equal(numbers.Concat(numbers).Select(number => ours[number]), theirs.Values.Skip(3));
        }
        files.ForEach(file => file.Dispose());
    }

    [Fact]
    public void It_has_the_arguments_environment_and_directory_it_was_given_and_nothing_of_ours()
    {
        using var scratch = new Scratch();
        var environment = new Dictionary<string, string> { ["EMPTY"] = "", ["WITH"] = "a=b c\n", ["ümlaut"] = "日本" };
        using var cat = new Spawned(options => options with { Arguments = ["a name", "-", "", "-"], Environment = environment, Directory = scratch.Root });
        Assert.Equal(["a name", "-", "", "-"], cat.Strings("cmdline"));
        Assert.Equal(environment.Select(pair => $"{pair.Key}={pair.Value}"), cat.Strings("environ"));
        Assert.Equal(scratch.Root, new FileInfo($"/proc/{cat.Process.Id}/cwd").LinkTarget);
        using var plain = new Spawned();
        Assert.Empty(plain.Strings("environ"));
        Assert.Equal("/", new FileInfo($"/proc/{plain.Process.Id}/cwd").LinkTarget);
    }

    [Fact]
    public void No_signal_is_blocked_or_ignored_in_it()
    {
        using var cat = new Spawned(); // we ignore SIGPIPE, and block all while we start it
        Assert.Equal(0ul, Convert.ToUInt64(cat.Status("SigBlk"), 16));
        Assert.Equal(0ul, Convert.ToUInt64(cat.Status("SigIgn"), 16));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_has_a_session_of_its_own_when_asked(bool own)
    {
        using var cat = new Spawned(options => options with { NewSession = own });
        var session = int.Parse(cat.Read("stat").Split(')')[1].Split(' ')[4]);
        Assert.Equal(own, session == cat.Process.Id);
    }

    [Fact]
    public void Huge_pages_are_off_in_it_when_asked_and_stay_as_they_were_in_us_and_others()
    {
        string Setting() => CProgram.Run(CProgram.Build("huge"));
        var before = Setting();
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
            Assert.Equal("1", Spawned.Run(options => options with { Path = CProgram.Build("huge"), NoHugePages = true })));
        Assert.Throws<LinuxException>(() => new Spawned(options => options with { Path = "/no/such/program", NoHugePages = true }));
        Assert.Equal(before, Setting());
        Assert.Equal(before, Spawned.Run(options => options with { Path = CProgram.Build("huge") }));
    }

    [Fact]
    public void Limits_are_set_when_asked_and_else_ours()
    {
        using var set = new Spawned(options => options with { MaxOpenFiles = 300 });
        Assert.Matches(@"Max open files\s+300\s+300\s", set.Read("limits"));
        using var plain = new Spawned();
        Assert.Equal(Line(File.ReadAllText("/proc/self/limits")), Line(plain.Read("limits")));

        static string Line(string limits) => limits.Split('\n').Single(line => line.StartsWith("Max open files", StringComparison.Ordinal));
    }

    [Fact]
    public void In_the_empty_network_it_has_no_interface_but_a_loopback_that_is_down()
    {
        Needs.Root("only root makes network namespaces");
        var network = Spawned.Run(options => options with { Path = "/bin/sh", Arguments = ["sh", "-c", "cat /proc/self/net/dev /proc/self/net/route /proc/self/net/fib_trie; readlink /proc/self/ns/net"], Network = NetworkNamespace.Empty });
        Assert.Equal(["lo"], network.Split('\n').Where(line => line.Contains(':') && !line.Contains('[')).Select(line => line.Split(':')[0].Trim()));
        Assert.DoesNotContain("127.0.0.1", network, StringComparison.Ordinal);
        using var one = new Spawned(options => options with { Network = NetworkNamespace.Empty });
        using var other = new Spawned(options => options with { Network = NetworkNamespace.Empty, UserId = 2_000_012_345 });
        using var plain = new Spawned();
        Assert.Equal(Namespace(one.Process.Id), Namespace(other.Process.Id));
        Assert.Equal(Namespace(Environment.ProcessId), Namespace(plain.Process.Id));
        Assert.NotEqual(Namespace(one.Process.Id), Namespace(plain.Process.Id));

        static string Namespace(int pid) => new FileInfo($"/proc/{pid}/ns/net").LinkTarget!;
    }

    [Fact]
    public void It_leaves_no_core_when_it_is_not_to()
    {
        using var cat = new Spawned(options => options with { NoCoreDump = true });
        Assert.Matches(@"Max core file size\s+0\s+0\s", cat.Read("limits"));
    }

    [Fact]
    public void Another_user_is_all_of_its_users_and_groups_and_gets_no_privileges_back()
    {
        Needs.Root("only root starts processes of other users");
        Spawned? started = null;
        var thread = new Thread(() => started = StartWithGroups());
        thread.Start();
        thread.Join();
        using var cat = started!;
        Assert.Equal(Enumerable.Repeat("2000012345", 4), cat.Status("Uid").Split('\t'));
        Assert.Equal(Enumerable.Repeat("2000012345", 4), cat.Status("Gid").Split('\t'));
        Assert.Equal("", cat.Status("Groups"));
        Assert.Equal("1", cat.Status("NoNewPrivs"));
        Assert.All((string[])["CapPrm", "CapEff", "CapAmb"], set => Assert.Equal(0ul, Convert.ToUInt64(cat.Status(set), 16)));
    }

    // The groups of this thread only, and it ends: the C library would set them for all.
    private static unsafe Spawned StartWithGroups()
    {
        var group = 12_345u;
        Assert.Equal(0, Libc.Syscall(116 /* SYS_setgroups */, 1, (nint)(&group), 0, 0));
        using var inheriting = new Spawned();
        Assert.Equal("12345", inheriting.Status("Groups"));
        return new Spawned(options => options with { UserId = 2_000_012_345 });
    }

    [Fact]
    public void Without_a_user_it_is_ours()
    {
        using var cat = new Spawned();
        var ours = File.ReadAllLines("/proc/self/status").Where(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Single();
        Assert.Equal(ours[4..].Trim(), cat.Status("Uid"));
        Assert.Equal("0", cat.Status("NoNewPrivs"));
    }

    [Fact]
    public void Started_by_many_threads_at_once_none_gets_what_another_was_given()
    {
        Parallel.For(0, 40, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using var file = MemoryFile.Create($"file {i}", 4096);
            using var cat = new Spawned(options => options with { Descriptors = [.. options.Descriptors, file.Descriptor] });
            var found = Descriptors.Of(cat.Process.Id);
            Assert.Equal([0, 1, 2, 3], found.Keys);
            Assert.Equal($"/memfd:file {i} (deleted)", found[3]);
        });
    }

    [Fact]
    public void Starting_and_ending_leaves_no_descriptor_and_no_zombie() =>
        Descriptors.AssertNoneLeft(() =>
        {
            for (var i = 0; i < 10; i++)
                new Spawned().Dispose();
        });
}
