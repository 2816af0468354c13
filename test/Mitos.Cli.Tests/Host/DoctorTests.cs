using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Host;

/// <summary>doctor, on this host as it is and with something taken from it.</summary>
public sealed class DoctorTests(MitosFixture fixture)
{
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task It_says_what_this_host_can_do()
    {
        var report = (await _mitos.RunAsync("doctor")).Ok();
        Assert.Contains("Mitos works on this host.", report, StringComparison.Ordinal);
        foreach (var check in new[] { "VMM", "accelerator", "root", "pagemap", "PAGEMAP_SCAN", "cgroups", "user namespaces", "memory", "disk" })
            Assert.Matches($@"(?m)^{check} +(ok|degraded) +\S", report);
        Assert.Matches(@"(?m)^VMM +ok +qemu \d+\.\d+\S*, /usr/bin/qemu-system-x86_64", report);
        Assert.Contains(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), report, StringComparison.Ordinal);
        var host = (await _mitos.RunAsync("doctor", "--json")).Json();
        Assert.Equal(Environment.ProcessorCount, host.GetProperty("cpuCount").GetInt32());
        Assert.Equal(_mitos.StateDirectory, host.Text("stateDirectory"));
        foreach (var check in host.GetProperty("checks").EnumerateArray().Where(check => check.Text("status") != "ok"))
            Assert.NotEqual("", check.Text("remedy"));
    }

    [Theory]
    [InlineData("/usr/bin/qemu-system-x86_64", "VMM", "apt-get install -y qemu-system-x86")]
    [InlineData("/usr/bin/mmdebstrap", "mmdebstrap", "apt-get install -y mmdebstrap")]
    [InlineData("/usr/bin/dpkg-deb", "dpkg-deb", "apt-get install -y dpkg")]
    public async Task A_program_that_is_missing_is_named_with_the_command_that_installs_it(string program, string check, string remedy)
    {
        // a mount namespace of its own, in which the program is not there
        var result = await _mitos.ShellAsync($$"""
            unshare --mount bash -ec '
              here=$(mktemp -d); mount -t tmpfs none "$here"; mkdir "$here/up" "$here/work"
              mount -t overlay overlay -o lowerdir=/usr/bin,upperdir="$here/up",workdir="$here/work" /usr/bin
              rm {{program}}
              set +e; mitos doctor; status=$?
              umount -l "$here"; rmdir "$here"; exit $status'
            """);
        Assert.True(result.Code == 1, $"{result.Code} {result.Output} {result.Errors}");
        Assert.Matches($@"(?m)^{check} +missing ", result.Output);
        Assert.Contains("Mitos does not work on this host", result.Output, StringComparison.Ordinal);
        Assert.Contains($"  {check}: {remedy}", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_root_it_says_so_and_checks_the_rest()
    {
        var result = await _mitos.ShellAsync("exec setpriv --reuid 65534 --regid 65534 --clear-groups mitos doctor");
        Assert.True(result.Code == 1, $"{result.Code} {result.Output} {result.Errors}");
        Assert.Matches(@"(?m)^root +missing ", result.Output);
        Assert.Matches(@"(?m)^VMM +ok ", result.Output);
        Assert.Contains("sudo", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_small_disk_is_seen_and_an_accelerator_that_is_not_there_too()
    {
        var result = await _mitos.ShellAsync("unshare --mount bash -ec 'mount -t tmpfs -o size=100M none /mnt; MITOS_STATE=/mnt/state mitos doctor'");
        Assert.Matches(@"(?m)^disk +degraded +only \d+ MiB free for /mnt/state", result.Ok());
        Assert.Contains("  disk: ", result.Output, StringComparison.Ordinal);
        result = await _mitos.ShellAsync("unshare --mount bash -ec 'mount -t tmpfs none /dev; MITOS_ACCEL=kvm mitos doctor 2>/tmp/doctor-$$; s=$?; cat /tmp/doctor-$$ >&2; rm /tmp/doctor-$$; exit $s'");
        Assert.Matches(@"(?m)^(VMM|accelerator) +missing ", result.Output);
        Assert.Contains("MITOS_ACCEL", result.Output, StringComparison.Ordinal);
    }
}
