using Mitos.Linux.Processes;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Processes;

/// <summary>A process that cannot be started is an error with the step and its number, and leaves nothing.</summary>
public sealed class SpawnFailureTests
{
    [Fact]
    public void A_program_that_is_not_there() => Fails("execve", Errno.ENOENT, options => options with { Path = "/no/such/program" }, "/no/such/program");

    [Fact]
    public void A_path_through_a_file() => Fails("execve", Errno.ENOENT, options => options with { Path = "/bin/cat/cat" }, "/bin/cat/cat");

    [Fact]
    public void A_network_that_is_none()
    {
        using var file = Mitos.Linux.Memory.MemoryFile.Create("no network", 4096);
        Fails("setns", 22 /* EINVAL */, options => options with { Network = file.Handle }, "/bin/cat");
    }

    [Fact]
    public void A_directory() => Fails("execve", 13 /* EACCES */, options => options with { Path = "/tmp" }, "/tmp");

    [Fact]
    public void A_file_without_the_right_to_execute_it() => FailsWithFile("text", UnixFileMode.UserRead | UnixFileMode.UserWrite, 13 /* EACCES */);

    [Fact]
    public void A_file_that_is_no_program() => FailsWithFile("text", UnixFileMode.UserRead | UnixFileMode.UserExecute, 8 /* ENOEXEC */);

    [Fact]
    public void A_script_whose_interpreter_is_missing() => FailsWithFile("#!/no/such/interpreter\n", UnixFileMode.UserRead | UnixFileMode.UserExecute, Errno.ENOENT);

    [Fact]
    public void A_directory_to_work_in_that_is_not_there() => Fails("chdir", Errno.ENOENT, options => options with { Directory = "/no/such/directory" }, "/bin/cat");

    [Theory]
    [InlineData(-1)]
    [InlineData(1_000_000)]
    public void A_descriptor_that_is_not_open(int descriptor) =>
        Fails("arrange descriptors", 9 /* EBADF */, options => options with { Descriptors = [.. options.Descriptors, descriptor] }, "/bin/cat");

    [Fact]
    public void More_descriptors_than_there_is_room_for() =>
        Fails("arrange descriptors", 7 /* E2BIG */, options => options with { Descriptors = Enumerable.Repeat(2, 65).ToList() }, "/bin/cat");

    [Fact]
    public void A_cgroup_that_is_not_open() => Fails("join cgroup", 9 /* EBADF */, options => options with { Cgroups = [1_000_000] }, "/bin/cat");

    [Fact]
    public void A_limit_that_is_above_what_the_system_allows() =>
        Fails("set limits", Errno.EPERM, options => options with { MaxOpenFiles = int.MaxValue }, "/bin/cat");

    [Theory]
    [InlineData("in the path")]
    [InlineData("in an argument")]
    [InlineData("in the environment")]
    [InlineData("in the directory")]
    public void A_zero_inside_a_text_is_refused_for_C_would_cut_it_there(string where)
    {
        var error = Assert.Throws<ArgumentException>(() => new Spawned(options => where switch
        {
            "in the path" => options with { Path = "/bin/cat\0x" },
            "in an argument" => options with { Arguments = ["cat", "a\0b"] },
            "in the environment" => options with { Environment = new Dictionary<string, string> { ["A"] = "b\0c" } },
            _ => options with { Directory = "/tmp\0x" },
        }));
        Assert.Contains("zero", error.Message, StringComparison.Ordinal);
    }

    private static void FailsWithFile(string content, UnixFileMode mode, int errno)
    {
        using var scratch = new Scratch();
        var path = scratch["program"];
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, mode);
        Fails("execve", errno, options => options with { Path = path }, path);
    }

    private static void Fails(string step, int errno, Func<SpawnOptions, SpawnOptions> change, string subject) => Descriptors.AssertNoneLeft(() =>
    {
        var error = Assert.Throws<LinuxException>(() => new Spawned(change));
        Assert.Equal((step, errno), (error.Call, error.Errno));
        Assert.Contains(subject, error.Message, StringComparison.Ordinal);
    });
}
