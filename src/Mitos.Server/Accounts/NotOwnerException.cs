namespace Mitos.Server.Accounts;

/// <summary>Something may be used by the caller's team, and is another's to change. 403.</summary>
internal sealed class NotOwnerException(string message, string remedy) : Exception(message)
{
    public string Remedy { get; } = remedy;
}
