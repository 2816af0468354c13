using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Gateway;

/// <summary>Clients of the domain, whose names all lead to loopback; and a server in the shared sandbox, on 127.0.0.1 and on ::1.</summary>
public sealed class DomainFixture(ServerFixture server) : IAsyncLifetime
{
    public const int Port = 8080, PortOfV6 = 8081, Closed = 8082;
    private readonly List<string> _processes = [];

    /// <summary>The sandbox.</summary>
    public string Id { get; private set; } = "";

    public ServerFixture Server => server;

    public string Host(int port, string? id = null) => $"{port}-{id ?? Id}.{ServerFixture.Domain}";

    public Uri Url(int port, string path, string? id = null, string scheme = "https") => new($"{scheme}://{Host(port, id)}{path}");

    public async ValueTask InitializeAsync()
    {
        Id = await server.ShareAsync();
        await using (var script = File.OpenRead(Path.Combine(Checkout.Root, "test/Mitos.Server.Tests/Gateway/guest.py")))
            await server.Client.WriteFileAsync(Id, "/tmp/guest.py", script);
        foreach (var (address, port) in new[] { ("127.0.0.1", Port), ("::1", PortOfV6) })
        {
            _processes.Add((await server.Client.OpenExecAsync(Id, new ExecRequest { Argv = ["python3", "/tmp/guest.py", address, $"{port}"], Detach = true })).Process);
            using var http = Connect();
            var limit = DateTime.UtcNow + ServerFixture.Limit;
            while ((await http.GetAsync(Url(port, "/"), ServerFixture.Soon)).StatusCode != HttpStatusCode.OK)
            {
                Assert.True(DateTime.UtcNow < limit, "the server in the sandbox does not start");
                await Task.Delay(100);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
            await server.Client.SignalAsync(Id, process, 9);
    }

    /// <summary>A client that trusts our authority.</summary>
    /// <param name="version">2.0 exactly, or 1.1.</param>
    /// <param name="trust">False: it trusts whom everybody trusts.</param>
    public HttpClient Connect(string version = "1.1", bool trust = true) => new(Handler(trust))
    {
        Timeout = ServerFixture.Limit,
        DefaultRequestVersion = Version.Parse(version),
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    /// <summary>What such a client sends by.</summary>
    public SocketsHttpHandler Handler(bool trust = true) => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        SslOptions = trust ? new SslClientAuthenticationOptions { CertificateChainPolicy = Policy() } : new SslClientAuthenticationOptions(),
        ConnectCallback = async (_, cancellationToken) => new NetworkStream(await DialAsync(cancellationToken), ownsSocket: true),
    };

    /// <summary>A connection with TLS and without HTTP.</summary>
    public async Task<SslStream> OpenAsync(string host)
    {
        var tls = new SslStream(new NetworkStream(await DialAsync(ServerFixture.Soon), ownsSocket: true));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = host, CertificateChainPolicy = Policy() }, ServerFixture.Soon);
        return tls;
    }

    private async Task<Socket> DialAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, server.Tls.Port, cancellationToken);
        return socket;
    }

    private X509ChainPolicy Policy()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(Path.Combine(server.Options.StateDirectory, "tls/ca.pem"));
        return policy;
    }
}
