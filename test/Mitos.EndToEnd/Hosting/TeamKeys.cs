using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Mitos.Contracts;

namespace Mitos.EndToEnd.Hosting;

internal static class TeamKeys
{
    /// <summary>Makes a team and a key for it, as the administrator, over the unix socket.</summary>
    public static async Task<string> MakeAsync(Daemon daemon, string team)
    {
        using var http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(daemon.Socket), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        { BaseAddress = new Uri("http://localhost/") };
        using var made = await http.PostAsJsonAsync("v1/teams", new CreateTeamRequest(team), ContractsJson.Default.CreateTeamRequest, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        using var response = await http.PostAsJsonAsync("v1/keys", new CreateKeyRequest("ci", team), ContractsJson.Default.CreateKeyRequest, TestContext.Current.CancellationToken);
        return (await response.Content.ReadFromJsonAsync(ContractsJson.Default.KeyBody, TestContext.Current.CancellationToken))!.Key!;
    }
}
