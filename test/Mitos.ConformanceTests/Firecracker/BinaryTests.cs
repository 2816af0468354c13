using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>What is no Firecracker that can be driven is refused, with the remedy.</summary>
public sealed class BinaryTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("mitos-fc-binary").FullName;

    private string Binary => Path.Combine(_directory, "firecracker");

    [Fact]
    public void One_that_is_not_there() => AssertRefused("is missing");

    [Fact]
    public void One_that_may_not_be_run()
    {
        File.WriteAllText(Binary, "#!/bin/sh\necho Firecracker v1.16.1\n");
        AssertRefused("cannot be run as Firecracker");
    }

    [Fact]
    public void One_of_another_processor()
    {
        var program = File.ReadAllBytes("/bin/true");
        (program[18], program[19]) = (183, 0); // e_machine: AArch64
        File.WriteAllBytes(Binary, program);
        MakeExecutable();
        AssertRefused("is it of this processor");
    }

    [Theory]
    [InlineData("QEMU emulator version 7.2.22", "not Firecracker")]
    [InlineData("Firecracker, some day", "not Firecracker")]
    [InlineData("", "not Firecracker")]
    [InlineData("Firecracker v1.12.1", "older than 1.13.0")]
    [InlineData("Firecracker v0.25.0", "older than 1.13.0")]
    [InlineData("Firecracker v2.0.0", "another API")]
    public void One_that_is_something_else(string words, string reason)
    {
        Say(words);
        AssertRefused(reason);
    }

    [Theory]
    [InlineData("Firecracker v1.13.0", "1.13.0")]
    [InlineData("Firecracker v1.17.0-dev", "1.17.0-dev")]
    public void One_that_is_driven(string words, string version)
    {
        Say(words);
        Assert.All(VmmProbe.Firecracker(Binary), candidate => Assert.Equal(version, candidate.Facts.Version));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Say(string words)
    {
        File.WriteAllText(Binary, $"#!/bin/sh\necho '{words}'\n");
        MakeExecutable();
    }

    private void MakeExecutable() => File.SetUnixFileMode(Binary, UnixFileMode.UserRead | UnixFileMode.UserExecute);

    private void AssertRefused(string reason)
    {
        var error = Assert.Throws<SandboxException>(() => VmmProbe.Firecracker(Binary));
        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains("mitos vmm install firecracker", error.Remedy, StringComparison.Ordinal);
    }
}
