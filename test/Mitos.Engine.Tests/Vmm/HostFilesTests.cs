using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm;

namespace Mitos.Engine.Tests.Vmm;

/// <summary>Which programs need no other file: those see none of the host's.</summary>
public sealed class HostFilesTests
{
    [Fact]
    public void A_program_without_an_interpreter_needs_no_other_file_and_others_do()
    {
        Assert.True(HostFiles.IsSelfContained(Path.Combine(AppContext.BaseDirectory, "libmitosnative.so"))); // a library names no loader, as static programs do
        Assert.False(HostFiles.IsSelfContained("/usr/bin/qemu-system-x86_64"));
        using var scratch = new Scratch();
        foreach (var text in (string[])["", "#!/bin/sh\n", "\u007FELF"])
        {
            File.WriteAllText(scratch["program"], text);
            Assert.False(HostFiles.IsSelfContained(scratch["program"]), text);
        }
    }
}
