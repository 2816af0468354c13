namespace Mitos.Server.E2B;

/// <summary>A refusal on a route of E2B's, with the status and the words that its clients expect.</summary>
internal sealed class E2BException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;

    public static E2BException Bad(string message) => new(400, message);

    public static E2BException NoSandbox(string id) => new(404, $"Sandbox \"{(id.Length <= 80 ? id : id[..80] + "…")}\" doesn't exist or you don't have access to it");
}
