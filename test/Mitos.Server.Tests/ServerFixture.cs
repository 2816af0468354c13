using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Client;
using Mitos.Engine;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;
using Mitos.Server.E2B;
using Mitos.Server.Tests;
using Mitos.Server.Tests.Api;
using Mitos.Server.Tests.Observability;
using Mitos.Server.Tls;
using Mitos.TestKit;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(ServerFixture))]
[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace Mitos.Server.Tests;

/// <summary>One real server on a real engine, on a unix socket and on loopback, for all tests. Machines are made when a test needs the first.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    /// <summary>Against hanging; nothing is expected to take that long.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>Served by HTTPS. It resolves nowhere: clients of tests connect to <see cref="Tls"/>.</summary>
    public const string Domain = "mitos.test";

    private readonly EngineScratch _scratch = new();
    private readonly LogCapture _logs = new();
    private WebApplication? _app;
    private SandboxInfo? _shared;

    public EngineOptions Options => _scratch.Options;

    public HostEngine Engine { get; private set; } = null!;

    public WebApplication App => _app!;

    /// <summary>What engine and server logged since the first start, as lines of JSON.</summary>
    public IReadOnlyCollection<string> Logs => _logs.Lines;

    internal ServerState State { get; private set; } = null!;

    public string Socket => Path.Combine(Options.RunDirectory, "mitosd.sock");

    /// <summary>Loopback, which needs a key.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Loopback, where the domain is.</summary>
    public Uri Tls { get; private set; } = null!;

    /// <summary>The first key, as the daemon wrote it.</summary>
    public string Key => File.ReadAllText(Path.Combine(Options.StateDirectory, "api-key")).Trim();

    /// <summary>The API's own description.</summary>
    public ApiDocument Api { get; private set; } = null!;

    /// <summary>Over loopback with the key. Checks every JSON answer against the description.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>The SDK, over the unix socket.</summary>
    public MitosClient Client { get; private set; } = null!;

    public static CancellationToken Soon => new CancellationTokenSource(Limit).Token;

    public async ValueTask InitializeAsync() => await StartAsync();

    /// <summary>Starts engine and server on the state that is there.</summary>
    public async Task StartAsync()
    {
        Engine = await HostEngine.StartAsync(Options, LoggerFactory.Create(logging => logging.AddProvider(_logs)));
        var tls = new TlsEndpoint(new IPEndPoint(IPAddress.Loopback, 0), new TlsOptions(new IPEndPoint(IPAddress.Loopback, 0)).Open(Domain, Options.StateDirectory, TimeProvider.System, NullLogger.Instance));
        _app = ServerHost.Build(Socket, "127.0.0.1:0", Engine, State = ServerState.Open(Options.StateDirectory), new E2BOptions(Domain, tls.Certificates.Authority, Secure: true), tls);
        _app.Services.GetRequiredService<ILoggerFactory>().AddProvider(_logs);
        await _app.StartAsync();
        Address = new Uri(_app.Urls.Single(url => url.StartsWith("http://127", StringComparison.Ordinal)) + "/");
        Tls = new Uri(_app.Urls.Single(url => url.StartsWith("https://", StringComparison.Ordinal)));
        using var plain = new HttpClient { BaseAddress = Address };
        Api = new ApiDocument(await plain.GetStringAsync("openapi/v1.json"));
        Http = Connect(Key);
        Client = MitosClient.Local(Socket);
    }

    /// <summary>Ends server and engine; machines run on.</summary>
    public async Task StopAsync()
    {
        Http.Dispose();
        Client.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
        State.Dispose();
        await Engine.DisposeAsync();
    }

    /// <summary>A client over loopback; null: without a key.</summary>
    public HttpClient Connect(string? key)
    {
        var client = new HttpClient(new ConformingHandler(Api, new SocketsHttpHandler { Expect100ContinueTimeout = Limit })) { BaseAddress = Address, Timeout = Limit };
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>A client over a unix socket, without a key.</summary>
    public HttpClient ConnectLocal(string? socket = null) => new(new ConformingHandler(Api, new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket ?? Socket), cancellationToken);
            return new NetworkStream(connection, ownsSocket: true);
        },
    }))
    { BaseAddress = new Uri("http://localhost/"), Timeout = Limit };

    /// <summary>A sandbox of its own for a test that disturbs it; removed at its end.</summary>
    public async Task<SandboxOfTest> CreateAsync(string? name = null)
    {
        await EnsureBaseAsync();
        return new SandboxOfTest(this, await Engine.Sandboxes.CreateAsync(new CreateSandboxSpec { Name = name }, CancellationToken.None));
    }

    /// <summary>A running sandbox for tests that leave it as it is. The id.</summary>
    public async Task<string> ShareAsync()
    {
        await EnsureBaseAsync();
        _shared ??= await Engine.Sandboxes.CreateAsync(new CreateSandboxSpec { Name = "shared" }, CancellationToken.None);
        return _shared.Id.ToString();
    }

    public async Task EnsureBaseAsync()
    {
        if (Engine.Templates.List().All(template => template.Name != "base"))
            await Engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base" }, new Progress<BuildProgress>(), CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var sandbox in Engine.Sandboxes.List())
            await Engine.Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
        foreach (var template in Engine.Templates.List().Reverse())
            await Engine.Templates.RemoveAsync(template.Name, CancellationToken.None);
        await StopAsync();
        _scratch.Delete();
    }
}

/// <summary>Removes a sandbox, if it is still there.</summary>
public sealed class SandboxOfTest(ServerFixture server, SandboxInfo info) : IAsyncDisposable
{
    public string Id { get; } = info.Id.ToString();

    public int VmmPid => info.VmmPid!.Value;

    public async ValueTask DisposeAsync()
    {
        if (server.Engine.Sandboxes.List().Any(sandbox => sandbox.Id == info.Id))
            await server.Engine.Sandboxes.RemoveAsync(info.Id, CancellationToken.None);
    }
}
