using System.Security.Cryptography;

namespace Mitos.Engine.Machines;

/// <summary>Names of VMM processes.</summary>
internal static class VmmId
{
    public static string New() => RandomNumberGenerator.GetHexString(12, lowercase: true);
}
