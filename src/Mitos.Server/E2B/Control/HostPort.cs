using System.Globalization;
using System.Text;

namespace Mitos.Server.E2B.Control;

/// <summary>A host as a <c>Host</c> header has it: a name or an address, and perhaps a port.</summary>
internal static class HostPort
{
    public static bool IsValid(string text, bool needsPort = false)
    {
        var colon = text.LastIndexOf(':');
        // within brackets it is part of an address
        var (host, port) = colon > text.LastIndexOf(']') ? (text[..colon], text[(colon + 1)..]) : (text, null);
        if (port is null ? needsPort : !ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0)
            return false;
        return Ascii.IsValid(host) && Uri.CheckHostName(host) switch
        {
            UriHostNameType.Dns or UriHostNameType.IPv4 => true,
            UriHostNameType.IPv6 => host.StartsWith('['),
            _ => false,
        };
    }
}
