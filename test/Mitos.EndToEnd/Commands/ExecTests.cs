using System.Security.Cryptography;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

[Collection(CommandsCollection.Name)]
public sealed class ExecTests(CommandsDaemon daemon)
{
    [Fact]
    public async Task Both_outputs_come_apart_and_the_exit_code_is_the_commands_own()
    {
        var run = await daemon.MitosAsync("exec", daemon.Shared, "--", "sh", "-c", "echo out; echo err >&2; exit 37");
        Assert.Equal((37, "out\n", "err\n"), (run.Code, run.Text, run.Error));
    }

    [Fact]
    public async Task A_signal_is_128_and_its_number()
    {
        Assert.Equal(137, (await daemon.MitosAsync("exec", daemon.Shared, "--", "sh", "-c", "kill -9 $$")).Code);
        Assert.Equal(143, (await daemon.MitosAsync("exec", daemon.Shared, "--", "sh", "-c", "kill -15 $$")).Code);
    }

    [Fact]
    public async Task Input_and_output_are_exact_to_the_byte()
    {
        var bytes = RandomNumberGenerator.GetBytes((3 << 20) + 1);
        var run = (await daemon.MitosWithInputAsync(bytes, "exec", daemon.Shared, "--", "cat")).Ok();
        Assert.Equal(bytes, run.Output);
        Assert.Empty(run.ErrorBytes);
    }

    [Fact]
    public async Task Arguments_arrive_as_they_were_typed()
    {
        string[] arguments = ["", " a  b ", "$HOME", "'", "\"", "\\", "*", "ü€𝄞", "a\nb", "@file", "--json", "-it", "--", "[suggest]"];
        var run = (await daemon.MitosAsync(["exec", daemon.Shared, "--", "printf", "<%s>", .. arguments])).Ok();
        Assert.Equal(string.Concat(arguments.Select(argument => $"<{argument}>")), run.Text);
    }

    [Fact]
    public async Task Environment_user_and_directory_are_those_asked_for()
    {
        var run = await daemon.MitosAsync("exec", "-e", "A=1 2", "-e", "B=", "-u", "root", "-w", "/usr/lib", daemon.Shared, "--", "sh", "-c", "echo \"$A|$B|$FLAVOUR|$(id -un)|$PWD\"");
        Assert.Equal("1 2||plain|root|/usr/lib", run.Ok().Line);
        Assert.Equal("user|/home/user", (await daemon.MitosAsync("exec", "shared", "--", "sh", "-c", "echo \"$(id -un)|$PWD\"")).Ok().Line);
    }

    [Fact]
    public async Task Interrupting_mitos_interrupts_the_command_which_decides()
    {
        using var mitos = daemon.Runner.Start(Programs.Cli, ["exec", daemon.Shared, "--", "bash", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"]);
        Assert.Equal("ready", await mitos.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        (await daemon.Runner.RunAsync("/bin/kill", ["-INT", $"{mitos.Id}"])).Ok();
        Assert.Equal("caught", await mitos.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(9, mitos.ExitCode);
    }

    [Fact]
    public async Task A_reader_that_has_enough_ends_mitos_and_the_command_without_a_complaint()
    {
        var run = await daemon.Runner.RunAsync("/bin/bash", ["-c", $"{Programs.Cli} exec {daemon.Shared} -- bash -c 'exec -a endless yes' | head -2; echo ${{PIPESTATUS[0]}}"]);
        Assert.Equal("y\ny\n141\n", run.Ok().Text); // as of any program that SIGPIPE ended
        Assert.Equal("", run.Error);
        await daemon.ShellAsync(daemon.Shared, "while pgrep -f '^endless' >/dev/null; do sleep 0.1; done");
    }

    [Fact]
    public async Task A_command_that_cannot_be_started_is_mitos_own_failure()
    {
        (await daemon.MitosAsync("exec", daemon.Shared, "--", "no-such-program")).Refused(125, "no-such-program");
        (await daemon.MitosAsync("exec", daemon.Shared, "-u", "nobody-known", "--", "true")).Refused(125, "nobody-known");
        (await daemon.MitosAsync("exec", daemon.Shared, "-w", "/no/such/place", "--", "true")).Refused(125, "/no/such/place");
        (await daemon.MitosAsync("exec", daemon.Shared, "-e", "novalue", "--", "true")).Refused(125, "novalue");
        (await daemon.MitosAsync("exec", "no-such-sandbox", "--", "true")).Refused(125, "no-such-sandbox");
        (await daemon.MitosAsync("exec", daemon.Shared)).Refused(125, "COMMAND");
    }
}
