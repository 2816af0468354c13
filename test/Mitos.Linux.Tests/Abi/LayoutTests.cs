using System.Runtime.InteropServices;
using Mitos.Linux.Abi;
using Mitos.Linux.Processes;

namespace Mitos.Linux.Tests.Abi;

public sealed class LayoutTests
{
    private static readonly Dictionary<Type, (string Struct, string[] Fields)> Layouts = new()
    {
        [typeof(IoVector)] = ("struct iovec", ["iov_base", "iov_len"]),
        [typeof(MessageHeader)] = ("struct msghdr", ["msg_name", "msg_namelen", "msg_iov", "msg_iovlen", "msg_control", "msg_controllen", "msg_flags"]),
        [typeof(TimeValue)] = ("struct timeval", ["tv_sec", "tv_usec"]),
        [typeof(PollEntry)] = ("struct pollfd", ["fd", "events", "revents"]),
        [typeof(EpollEvent)] = ("struct epoll_event", ["events", "data"]),
        [typeof(UnixAddress)] = ("struct sockaddr_un", ["sun_family", "sun_path"]),
        [typeof(FileStatus)] = ("struct stat", ["st_dev", "st_ino", "st_nlink", "st_mode", "st_uid", "st_gid", "__pad0", "st_rdev", "st_size", "st_blksize", "st_blocks",
            "st_atim", "st_mtim", "st_ctim", "__glibc_reserved"]),
        [typeof(PageRegion)] = ("struct page_region", ["start", "end", "categories"]),
        [typeof(ScanArgument)] = ("struct pm_scan_arg",
            ["size", "flags", "start", "end", "walk_end", "vec", "vec_len", "max_pages", "category_inverted", "category_mask", "category_anyof_mask", "return_mask"]),
        [typeof(SpawnRequest)] = ("struct mitos_spawn_request",
            ["paths", "argv", "envp", "cwd", "fds", "cgroups", "groups", "nofile", "fd_count", "cgroup_count", "group_count", "uid", "gid", "flags", "network", "mounts"]),
    };

    public static TheoryData<string> Structs => new(Layouts.Keys.Select(type => type.Name));

    [Theory]
    [MemberData(nameof(Structs))]
    public void A_struct_has_the_size_and_the_offsets_of_its_header(string name)
    {
        var (type, (structure, fields)) = Layouts.Single(pair => pair.Key.Name == name);
        var ours = type.GetFields().Where(field => !field.IsStatic).OrderBy(field => Marshal.OffsetOf(type, field.Name)).ToList();
        Assert.Equal(fields.Length, ours.Count);
        var values = Headers.Evaluate([$"sizeof({structure})", .. fields.SelectMany(field => (string[])[Offset(structure, field), Size(structure, field)])], Shim.Source);
        Assert.Equal(values[$"sizeof({structure})"], Marshal.SizeOf(type));
        for (var i = 0; i < fields.Length; i++)
        {
            Assert.Equal(values[Offset(structure, fields[i])], Marshal.OffsetOf(type, ours[i].Name));
            var size = ours[i].FieldType.IsEnum ? sizeof(uint) : ours[i].FieldType.IsPointer ? nint.Size : Marshal.SizeOf(ours[i].FieldType);
            Assert.True(values[Size(structure, fields[i])] == size, $"{structure}.{fields[i]} has {values[Size(structure, fields[i])]} bytes, {ours[i].Name} {size}");
        }
    }

    [Fact]
    public void No_struct_is_without_a_header()
    {
        var structs = typeof(Errno).Assembly.GetTypes().Where(type => type is { IsValueType: true, IsEnum: false, IsNested: false, Namespace: "Mitos.Linux.Abi" });
        Assert.Equal([nameof(DescriptorMessage)], structs.Where(type => !Layouts.ContainsKey(type)).Select(type => type.Name));
    }

    [Fact]
    public void A_message_with_one_descriptor_is_what_the_macros_of_cmsg_make()
    {
        var values = Headers.Evaluate(["CMSG_LEN(sizeof(int))", "CMSG_SPACE(sizeof(int))", "offsetof(struct cmsghdr, cmsg_level)", "offsetof(struct cmsghdr, cmsg_type)", "CMSG_LEN(0)"]);
        Assert.Equal(DescriptorMessage.UsedBytes, values["CMSG_LEN(sizeof(int))"]);
        Assert.Equal(values["CMSG_SPACE(sizeof(int))"], Marshal.SizeOf<DescriptorMessage>());
        Assert.Equal(values["offsetof(struct cmsghdr, cmsg_level)"], Marshal.OffsetOf<DescriptorMessage>(nameof(DescriptorMessage.Level)));
        Assert.Equal(values["offsetof(struct cmsghdr, cmsg_type)"], Marshal.OffsetOf<DescriptorMessage>(nameof(DescriptorMessage.Type)));
        Assert.Equal(values["CMSG_LEN(0)"], Marshal.OffsetOf<DescriptorMessage>(nameof(DescriptorMessage.Descriptor)));
    }

    [Fact]
    public void The_flags_and_the_steps_of_the_spawn_shim_are_the_managed_ones()
    {
        string[] flags = ["MITOS_NEW_SESSION", "MITOS_SET_IDENTITY", "MITOS_NO_NEW_PRIVILEGES", "MITOS_NO_HUGE_PAGES", "MITOS_NO_CORE", "MITOS_ENTER_FIRST"];
        string[] steps = ["NONE", "CLONE", "SESSION", "CGROUP", "DESCRIPTORS", "TERMINAL", "LIMITS", "IDENTITY", "CWD", "EXEC", "NETWORK", "MOUNTS"];
        var values = Headers.Evaluate([.. flags, .. steps.Select(step => "STEP_" + step)], Shim.Source);
        Assert.Equal(Enum.GetValues<SpawnFlags>().Select(flag => (long)flag), flags.Select(flag => values[flag]));
        Assert.Equal(Enumerable.Range(0, Spawner.Steps.Count).Select(step => (long)step), steps.Select(step => values["STEP_" + step]));
    }

    private static string Offset(string structure, string field) => $"offsetof({structure}, {field})";

    private static string Size(string structure, string field) => $"sizeof((({structure} *)0)->{field})";
}
