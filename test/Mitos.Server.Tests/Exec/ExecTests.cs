using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Exec;

/// <summary>Simple calls.</summary>
public sealed class ExecTests(ServerFixture server)
{
    [Fact]
    public async Task Output_error_output_and_exit_code_come_apart()
    {
        var done = await RunAsync("""{"cmd":"echo out; echo err >&2; exit 7"}""");
        Assert.Equal(("out\n", "err\n", 7, 0, false), (done.Stdout, done.Stderr, done.ExitCode, done.Signal, done.Truncated));
        Assert.Null(done.StdoutBase64);
    }

    [Fact]
    public async Task Arguments_environment_directory_and_user_are_those_that_were_asked_for()
    {
        var done = await RunAsync("""{"argv":["/bin/sh","-c","echo \"$0|$A|$PWD|$(id -un)\"","a  b$"],"env":{"A":"ünï 'q'"},"cwd":"/tmp","user":"root"}""");
        Assert.Equal("a  b$|ünï 'q'|/tmp|root\n", done.Stdout);
        Assert.Equal("/home/user user\n", (await RunAsync("""{"cmd":"echo $PWD $(id -un)"}""")).Stdout);
    }

    [Fact]
    public async Task Bytes_that_are_no_text_come_exactly()
    {
        var bytes = RandomNumberGenerator.GetBytes(300_000);
        bytes[0] = 0xFF; // no UTF-8 begins with it
        var done = await RunAsync($$"""{"argv":["/bin/sh","-c","tee /dev/stderr"],"stdinBase64":"{{Convert.ToBase64String(bytes)}}"}""");
        Assert.Equal(0, done.ExitCode);
        Assert.Equal(bytes, Convert.FromBase64String(done.StdoutBase64!));
        Assert.Equal(bytes, Convert.FromBase64String(done.StderrBase64!));
    }

    [Fact]
    public async Task Input_of_megabytes_reaches_the_command_and_without_input_it_reads_the_end()
    {
        var done = await RunAsync($$"""{"argv":["wc","-c"],"stdinBase64":"{{Convert.ToBase64String(new byte[5_000_000])}}"}""");
        Assert.Equal("5000000", done.Stdout.Trim());
        Assert.Equal("0", (await RunAsync("""{"argv":["wc","-c"]}""")).Stdout.Trim());
    }

    [Fact]
    public async Task A_command_that_does_not_read_its_input_ends_all_the_same()
    {
        var done = await RunAsync($$"""{"argv":["true"],"stdinBase64":"{{Convert.ToBase64String(new byte[5_000_000])}}"}""");
        Assert.Equal(0, done.ExitCode);
    }

    [Fact]
    public async Task Output_beyond_sixteen_MiB_is_dropped_and_said_to_be()
    {
        var done = await RunAsync("""{"cmd":"head -c 17M /dev/zero; echo end >&2"}""");
        Assert.True(done.Truncated);
        Assert.Equal((16 << 20, "end\n", 0), (done.Stdout.Length, done.Stderr, done.ExitCode));
    }

    [Fact]
    public async Task A_command_that_exceeds_its_time_is_ended()
    {
        var done = await RunAsync("""{"argv":["sleep","1000"],"timeoutMs":300}""");
        Assert.Equal((143, 15), (done.ExitCode, done.Signal));
        var stubborn = await RunAsync("""{"cmd":"trap '' TERM; while :; do sleep 1; done","timeoutMs":300}""");
        Assert.Equal((137, 9), (stubborn.ExitCode, stubborn.Signal));
    }

    [Fact]
    public async Task A_client_that_goes_away_takes_its_command_with_it()
    {
        var id = await server.ShareAsync();
        using var leaving = new CancellationTokenSource();
        var running = server.Http.PostAsync($"v1/sandboxes/{id}/exec", HttpRequests.Json("""{"argv":["sleep","86401"]}"""), leaving.Token);
        await server.AwaitProcessAsync(id, process => process.Argv.Contains("86401") && process.ExitCode is null);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await server.AwaitNoProcessAsync(id, process => process.Argv.Contains("86401") && process.ExitCode is null);
    }

    [Fact]
    public async Task Commands_of_many_clients_run_at_once()
    {
        var all = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => RunAsync($$"""{"cmd":"sleep 0.2; echo {{i}}"}""")));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"{i}\n"), all.Select(done => done.Stdout));
    }

    [Theory]
    [InlineData("{}", 400, "argv or cmd")]
    [InlineData("""{"argv":[]}""", 400, "argv or cmd")]
    [InlineData("""{"argv":["true"],"cmd":"true"}""", 400, "argv or cmd")]
    [InlineData("""{"argv":[null]}""", 400, "a text")]
    [InlineData("""{"argv":[""]}""", 400, "openapi")]
    [InlineData("""{"argv":["a\u0000b"]}""", 400, "openapi")]
    [InlineData("""{"argv":["true"],"env":{"A":null}}""", 400, "a text")]
    [InlineData("""{"argv":["true"],"env":{"A=B":"x"}}""", 400, "openapi")]
    [InlineData("""{"argv":["true"],"env":{"":"x"}}""", 400, "openapi")]
    [InlineData("""{"argv":["true"],"timeoutMs":-1}""", 400, "0 for none")]
    [InlineData("""{"argv":["true"],"stdinBase64":"%%%"}""", 400, "base64")]
    [InlineData("""{"argv":["true"],"stdin":true}""", 400, "stdinBase64")]
    [InlineData("""{"argv":["true"],"detach":true}""", 400, "exec/stream")]
    [InlineData("""{"argv":["true"],"tty":{"rows":24,"columns":80}}""", 400, "exec/stream")]
    [InlineData("""{"argv":["/no/such/command"]}""", 404, "files/list")]
    [InlineData("""{"argv":["no-such-command"]}""", 404, "files/list")]
    [InlineData("""{"argv":["true"],"cwd":"/no/such/directory"}""", 404, "files/list")]
    [InlineData("""{"argv":["true"],"cwd":"a\u0000b"}""", 400, "openapi")]
    [InlineData("""{"argv":["true"],"user":"nobody-has-this-name"}""", 404, "user of the guest")]
    [InlineData("""{"argv":["/etc/passwd"]}""", 412, "root")]
    public async Task What_cannot_be_run_is_refused_with_a_remedy(string body, int status, string remedy)
    {
        var id = await server.ShareAsync();
        var before = (await server.Client.ListProcessesAsync(id)).Count;
        var error = await server.Http.PostJsonAsync($"v1/sandboxes/{id}/exec", body).RefusedAsync(status);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
        Assert.Equal(before, (await server.Client.ListProcessesAsync(id)).Count);
    }

    [Fact]
    public async Task A_command_that_is_too_long_for_one_message_is_refused()
    {
        var id = await server.ShareAsync();
        var error = await server.Http.PostJsonAsync($"v1/sandboxes/{id}/exec", $$"""{"argv":["echo","{{new string('x', 70_000)}}"]}""").RefusedAsync(400);
        Assert.Contains("too long", error.Message, StringComparison.Ordinal);
    }

    private async Task<ExecBody> RunAsync(string body) => await server.Http.PostJsonAsync($"v1/sandboxes/{await server.ShareAsync()}/exec", body).ReadAsync<ExecBody>();
}
