using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

internal static class ExpiredKey
{
    /// <summary>A key of the default team that was valid and is not any more.</summary>
    public static async Task<KeyBody> MakeAsync(ServerFixture server)
    {
        var key = await MakeAsync(server, TimeSpan.FromSeconds(1));
        await WaitAsync(key);
        return key;
    }

    /// <summary>A key of the default team that expires soon.</summary>
    public static Task<KeyBody> MakeAsync(ServerFixture server, TimeSpan life) => server.Http.PostJsonAsync("v1/keys", JsonSerializer.Serialize(
        new CreateKeyRequest("visitor", ExpiresAt: DateTimeOffset.UtcNow + life), ContractsJson.Default.CreateKeyRequest)).ReadAsync<KeyBody>();

    public static async Task WaitAsync(KeyBody key)
    {
        while (key.ExpiresAt > DateTimeOffset.UtcNow)
            await Task.Delay(TimeSpan.FromMilliseconds(20));
    }
}
