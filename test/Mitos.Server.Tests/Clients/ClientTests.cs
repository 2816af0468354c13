using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Text;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Clients;

public sealed class ClientTests(ServerFixture server)
{
    private MitosClient Remote => MitosClient.Remote(server.Address, server.Key);

    // The rest of the client's methods are what the other tests drive the server with.
    [Fact]
    public async Task Over_HTTP_with_a_key_it_does_what_it_does_over_the_socket()
    {
        using var remote = Remote;
        var id = await server.ShareAsync();
        Assert.Equal("ok", (await remote.GetHealthAsync()).Status);
        Assert.Equal(server.Options.StateDirectory, (await remote.GetHostAsync()).StateDirectory);
        using var session = await remote.OpenExecAsync(id, new ExecRequest { Argv = ["tr", "a-z", "A-Z"], Stdin = true });
        await session.WriteAsync("upper"u8.ToArray());
        await session.CloseStdinAsync();
        var text = new StringBuilder();
        await foreach (var (channel, bytes) in session.ReadAsync(ServerFixture.Soon))
            text.Append(channel).Append(Encoding.UTF8.GetString(bytes.Span));
        Assert.Equal(("1UPPER", 0), (text.ToString(), session.ExitCode));
        await Assert.ThrowsAsync<MitosException>(() => session.SignalAsync(15)); // it has ended
    }

    [Fact]
    public void Every_operation_of_the_API_has_a_method_that_says_all_that_it_takes()
    {
        // by name, where a method is called otherwise than its operation
        var named = new Dictionary<string, string>
        {
            ["createSandbox"] = "Create",
            ["listSandboxes"] = "List",
            ["getSandbox"] = "Get",
            ["removeSandbox"] = "Remove",
            ["forkSandbox"] = "Fork",
            ["pauseSandbox"] = "Pause",
            ["resumeSandbox"] = "Resume",
            ["clearTimeout"] = "SetTimeout",
            ["createSandboxSnapshot"] = "CreateSnapshot",
            ["getSandboxTree"] = "GetTree",
            ["execStream"] = "OpenExec",
            ["attachProcess"] = "Attach",
            ["signalProcess"] = "Signal",
            ["statFile"] = "Stat",
            ["updateTemplate"] = "SetTemplateVisibility",
        };
        // what a parameter is called otherwise than its field
        var said = new Dictionary<string, string> { ["sandbox"] = "id", ["timeoutSeconds"] = "timeout", ["public"] = "isPublic" };
        var methods = typeof(MitosClient).GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).ToLookup(method => method.Name);
        Assert.All(server.Api.Operations, operation =>
        {
            var name = (named.GetValueOrDefault(operation.Id) ?? char.ToUpperInvariant(operation.Id[0]) + operation.Id[1..]) + "Async";
            var parameters = methods[name].SelectMany(method => method.GetParameters()).ToList();
            Assert.True(parameters.Count > 0, $"{operation} has no {name}");
            // and it takes all that the operation does: each field by itself, or the record that has them
            var accepted = parameters.SelectMany(parameter => parameter.ParameterType.GetProperties().Where(_ => parameter.ParameterType.Assembly == typeof(ErrorBody).Assembly).Select(field => field.Name).Append(parameter.Name!))
                .ToHashSet(StringComparer.OrdinalIgnoreCase);
            var fields = operation.BodySchema is { } schema ? server.Api.Schemas.PropertiesOf(schema) : [];
            foreach (var wanted in operation.Parameters.Select(parameter => parameter.GetProperty("name").GetString()!).Where(name => operation.Path.Contains($"{{{name}}}", StringComparison.Ordinal) is false).Concat(fields))
                Assert.True(accepted.Contains(wanted) || (said.TryGetValue(wanted, out var word) && accepted.Contains(word)), $"{name} cannot say '{wanted}', as {operation} does");
        });
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("no/such")]
    [InlineData("nobody?memory=true#x")]
    [InlineData("a\0b")]
    public async Task An_id_that_is_none_never_becomes_another_address(string id)
    {
        var error = await Assert.ThrowsAsync<MitosException>(() => server.Client.GetAsync(id));
        Assert.Contains(error.Code, new[] { ErrorCodes.NotFound, ErrorCodes.InvalidArgument });
        await Assert.ThrowsAsync<MitosException>(() => server.Client.RemoveAsync(id));
        await Assert.ThrowsAsync<MitosException>(() => server.Client.OpenExecAsync(id, new ExecRequest { Argv = ["true"] }));
        await Assert.ThrowsAsync<MitosException>(() => server.Client.GetTemplateAsync(id));
    }

    [Fact]
    public async Task A_wrong_key_a_missing_daemon_and_a_stranger_are_told_apart()
    {
        using var wrong = MitosClient.Remote(server.Address, "wrong");
        Assert.Equal(ErrorCodes.Unauthenticated, (await Assert.ThrowsAsync<MitosException>(() => wrong.ListAsync())).Code);
        Assert.Equal(ErrorCodes.Unauthenticated, (await Assert.ThrowsAsync<MitosException>(() => wrong.OpenExecAsync("x", new ExecRequest { Argv = ["true"] }))).Code);

        using var missing = MitosClient.Local("/tmp/no-such-directory/mitosd.sock");
        var gone = await Assert.ThrowsAsync<MitosException>(() => missing.ListAsync());
        Assert.Equal(ErrorCodes.Unavailable, gone.Code);
        Assert.Contains("not running", gone.Message, StringComparison.Ordinal);
        Assert.Contains("mitos up", gone.Remedy, StringComparison.Ordinal);
        Assert.Equal(ErrorCodes.Unavailable, (await Assert.ThrowsAsync<MitosException>(() => missing.OpenExecAsync("x", new ExecRequest { Argv = ["true"] }))).Code);

        await using var strange = new Stranger("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        using var client = MitosClient.Remote(strange.Address, "x");
        Assert.Equal(ErrorCodes.Unsupported, (await Assert.ThrowsAsync<MitosException>(() => client.ListAsync())).Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n[")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")]
    [InlineData("HTTP/1.1 500 No\r\nContent-Length: 200\r\n\r\n{")]
    public async Task A_connection_that_breaks_in_the_middle_is_told_and_no_part_is_taken_for_the_whole(string answer)
    {
        await using var stranger = new Stranger(answer);
        using var client = MitosClient.Remote(stranger.Address, "x");
        Assert.Equal(ErrorCodes.Unavailable, (await Assert.ThrowsAsync<MitosException>(() => client.ListAsync())).Code);
        using var target = new MemoryStream();
        Assert.Equal(ErrorCodes.Unavailable, (await Assert.ThrowsAsync<MitosException>(() => client.ReadFileAsync("x", "/file", target))).Code);
    }

    [Fact]
    public async Task A_build_whose_lines_break_off_is_no_success()
    {
        await using var stranger = new Stranger("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"step\":\"run\"}\n");
        using var client = MitosClient.Remote(stranger.Address, "x");
        var error = await Assert.ThrowsAsync<MitosException>(async () =>
        {
            await foreach (var next in client.BuildTemplateAsync(new BuildTemplateRequest { Name = "x" }))
                Assert.Equal("run", next.Step);
        });
        Assert.Equal(ErrorCodes.Unavailable, error.Code);
    }

    [Fact]
    public async Task What_fails_on_the_callers_side_is_the_callers_error()
    {
        var id = await server.ShareAsync();
        await server.Client.WriteFileAsync(id, "/tmp/to-read", new MemoryStream(new byte[100_000]));
        await Assert.ThrowsAsync<NotSupportedException>(() => server.Client.ReadFileAsync(id, "/tmp/to-read", new MemoryStream(new byte[10]))); // a target that is full
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server.Client.ListAsync(false, cancelled.Token));
    }

    [Fact]
    public async Task Bodies_that_are_refused_early_are_refused_with_the_daemons_words()
    {
        var large = await Assert.ThrowsAsync<MitosException>(async () => await server.Client.ExecAsync(await server.ShareAsync(), new ExecRequest { Argv = ["cat"], StdinBase64 = new string('A', 40 << 20) }));
        Assert.Equal(ErrorCodes.Exhausted, large.Code);
        var unknown = await Assert.ThrowsAsync<MitosException>(() => server.Client.WriteFileAsync("nobody", "/x", new Files.Zeros(1L << 40)));
        Assert.Equal(ErrorCodes.NotFound, unknown.Code);
    }

    [Fact]
    public async Task A_cancelled_exec_ends_its_command_and_the_session_of_a_removed_sandbox_says_so()
    {
        await using var sandbox = await server.CreateAsync();
        using var session = await server.Client.OpenExecAsync(sandbox.Id, new ExecRequest { Argv = ["sleep", "1000"] });
        var reading = Assert.ThrowsAsync<MitosException>(async () =>
        {
            await foreach (var _ in session.ReadAsync(ServerFixture.Soon))
            {
            }
        });
        await server.Client.RemoveAsync(sandbox.Id);
        Assert.Equal(ErrorCodes.Unavailable, (await reading).Code);
    }

    /// <summary>Answers every connection with the same bytes, and closes it.</summary>
    private sealed class Stranger : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Task _serving;

        public Stranger(string answer)
        {
            _listener.Start();
            _serving = ServeAsync(Encoding.ASCII.GetBytes(answer));
        }

        public Uri Address => new($"http://{_listener.LocalEndpoint}");

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        private async Task ServeAsync(byte[] answer)
        {
            while (true)
            {
                using var connection = await _listener.AcceptTcpClientAsync();
                var stream = connection.GetStream();
                var request = new byte[4096];
                _ = await stream.ReadAsync(request);
                await stream.WriteAsync(answer);
            }
        }
    }
}
