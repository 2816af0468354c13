using System.Net.Sockets;
using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>
/// A client of mitosd. Safe for concurrent use. Every method throws <see cref="MitosException"/> when the daemon refuses or cannot be
/// reached. Where a sandbox is asked for, its id, its name, or the beginning of its id will do.
/// </summary>
public sealed partial class MitosClient : IDisposable
{
    private readonly Transport _transport;

    private MitosClient(Transport transport) => _transport = transport;

    /// <summary>A client of a daemon on this machine, through its unix socket. Needs no key.</summary>
    /// <param name="socket">Default <c>/run/mitos/mitosd.sock</c>.</param>
    public static MitosClient Local(string socket = "/run/mitos/mitosd.sock") =>
        new(new Transport(new SocketsHttpHandler { ConnectCallback = (_, cancellationToken) => ConnectAsync(socket, cancellationToken) }, new Uri("http://localhost/"), socket, null));

    /// <summary>A client of a daemon behind HTTP.</summary>
    /// <param name="address">For example <c>http://127.0.0.1:7070</c>.</param>
    /// <param name="key">An API key.</param>
    public static MitosClient Remote(Uri address, string key) => new(new Transport(new SocketsHttpHandler(), address, address.ToString(), key));

    /// <summary>Whether the daemon serves. Needs no key.</summary>
    public Task<HealthBody> GetHealthAsync(CancellationToken cancellationToken = default) => _transport.GetAsync("health", ContractsJson.Default.HealthBody, cancellationToken);

    /// <summary>What the daemon's host can do, and what it lacks.</summary>
    public Task<HostBody> GetHostAsync(CancellationToken cancellationToken = default) => _transport.GetAsync("v1/host", ContractsJson.Default.HostBody, cancellationToken);

    /// <summary>Where the daemon is reached, by its own clients and by E2B's.</summary>
    public Task<EndpointsBody> GetEndpointsAsync(CancellationToken cancellationToken = default) =>
        _transport.GetAsync("v1/endpoints", ContractsJson.Default.EndpointsBody, cancellationToken);

    /// <summary>The API keys, without the keys themselves.</summary>
    public Task<List<KeyBody>> ListKeysAsync(CancellationToken cancellationToken = default) => _transport.GetAsync("v1/keys", ContractsJson.Default.ListKeyBody, cancellationToken);

    /// <summary>Makes an API key. The result is the only place where it stands.</summary>
    /// <param name="name">1 to 100 characters, for people.</param>
    /// <param name="team">Id or name of the team that it is to act for; on the unix socket only. Default: the caller's.</param>
    /// <param name="expiresAt">From when on it is not valid any more. Default: never, or when the caller's own key expires.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<KeyBody> CreateKeyAsync(string name, string? team = null, DateTimeOffset? expiresAt = null, CancellationToken cancellationToken = default) =>
        _transport.PostAsync("v1/keys", new CreateKeyRequest(name, team, expiresAt), ContractsJson.Default.CreateKeyRequest, ContractsJson.Default.KeyBody, cancellationToken);

    /// <summary>Deletes an API key; it is not valid any more at once.</summary>
    /// <param name="id"><see cref="KeyBody.Id"/>.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task DeleteKeyAsync(string id, CancellationToken cancellationToken = default) => _transport.DoAsync(HttpMethod.Delete, $"v1/keys/{Part(id, "key")}", null, cancellationToken);

    /// <summary>The teams. On the unix socket only.</summary>
    public Task<List<TeamBody>> ListTeamsAsync(CancellationToken cancellationToken = default) => _transport.GetAsync("v1/teams", ContractsJson.Default.ListTeamBody, cancellationToken);

    /// <summary>Makes a team. On the unix socket only.</summary>
    public Task<TeamBody> CreateTeamAsync(CreateTeamRequest request, CancellationToken cancellationToken = default) =>
        _transport.PostAsync("v1/teams", request, ContractsJson.Default.CreateTeamRequest, ContractsJson.Default.TeamBody, cancellationToken);

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _transport.Dispose();

    private static string Path(string id, string rest = "") => $"v1/sandboxes/{Part(id, "sandbox")}{(rest.Length > 0 ? "/" + rest : "")}";

    // These would name another address.
    private static string Part(string text, string kind) => text is "" or "." or ".."
        ? throw new MitosException(new ErrorBody(ErrorCodes.NotFound, $"There is no {kind} '{text}'.", $"List what there is, and give the {kind}'s id or name."))
        : Uri.EscapeDataString(text);

    private static string Flag(bool value) => value ? "true" : "false";

    private static async ValueTask<Stream> ConnectAsync(string socket, CancellationToken cancellationToken)
    {
        var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
            return new NetworkStream(connection, ownsSocket: true);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
