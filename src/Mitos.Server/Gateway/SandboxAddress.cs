using System.Buffers;
using System.Globalization;
using Mitos.Server.E2B.Control;

namespace Mitos.Server.Gateway;

/// <summary>Which sandbox, and which of its ports, a request is for.</summary>
/// <param name="Id">Letters and digits.</param>
/// <param name="Port">1 to 65535.</param>
/// <param name="ByHost">Whether the host name says so, not the headers.</param>
internal readonly record struct SandboxAddress(string Id, int Port, bool ByHost)
{
    public const string IdHeader = "E2b-Sandbox-Id", PortHeader = "E2b-Sandbox-Port";
    private static readonly SearchValues<char> IdChars = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789");

    /// <summary>From the host name <c>PORT-ID.DOMAIN</c>, else from the headers that E2B's clients send.</summary>
    /// <param name="request">Looked at only.</param>
    /// <param name="domain">Below it there are sandboxes, <c>api</c> and <c>sandbox</c> only; it may have a port. Null: not known.</param>
    /// <param name="address">Of the sandbox.</param>
    /// <returns>False: the request is for no sandbox.</returns>
    /// <exception cref="BadHttpRequestException">It is for one, and cannot be understood.</exception>
    public static bool TryParse(HttpRequest request, string? domain, out SandboxAddress address)
    {
        address = default;
        var host = request.Host.Host.ToLowerInvariant();
        var dash = host.IndexOf('-');
        var dot = host.IndexOf('.');
        if (dash > 0 && dot > dash && int.TryParse(host.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            address = Checked(host[(dash + 1)..dot], port, byHost: true);
            return true;
        }
        if (dot > 0 && domain is not null && host.AsSpan(dot + 1).SequenceEqual(domain.AsSpan(0, domain.IndexOf(':') is >= 0 and var colon ? colon : domain.Length)) && host.AsSpan(0, dot) is not ("api" or "sandbox"))
            throw new BadHttpRequestException(dash > 0 && dash < dot ? "Invalid sandbox port" : "Invalid host");
        if (!request.Headers.TryGetValue(IdHeader, out var id))
            return false;
        if (!int.TryParse(request.Headers[PortHeader], NumberStyles.None, CultureInfo.InvariantCulture, out port))
            throw new BadHttpRequestException("Invalid sandbox port");
        address = Checked(id.ToString(), port, byHost: false);
        return true;
    }

    private static SandboxAddress Checked(string id, int port, bool byHost)
    {
        id = SandboxControl.ShortId(id);
        if (id.Length is 0 or > 64 || id.AsSpan().ContainsAnyExcept(IdChars))
            throw new BadHttpRequestException("Invalid sandbox id");
        if (port is < 1 or > 65535)
            throw new BadHttpRequestException("Invalid sandbox port");
        return new SandboxAddress(id, port, byHost);
    }
}
