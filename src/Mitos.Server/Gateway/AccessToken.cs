using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Gateway;

/// <summary>The token of a sandbox, as E2B's clients send it.</summary>
internal static class AccessToken
{
    public const string Header = "X-Access-Token";

    public static bool IsSent(HttpRequest request) => request.Headers.ContainsKey(Header);

    public static bool IsRight(HttpRequest request, SandboxInfo sandbox) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(sandbox.AccessToken), Encoding.UTF8.GetBytes(request.Headers[Header].ToString()));
}
