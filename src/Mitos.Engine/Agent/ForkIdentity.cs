namespace Mitos.Engine.Agent;

/// <summary>What makes a new machine itself.</summary>
public sealed record ForkIdentity
{
    public required string SandboxId { get; init; }
    /// <summary>Empty for a machine made from a template.</summary>
    public required string ForkId { get; init; }
    public required int Index { get; init; }
    /// <summary>32 bytes that no other machine gets.</summary>
    public required byte[] Entropy { get; init; }
    public required string Hostname { get; init; }
    /// <summary>32 hexadecimal digits.</summary>
    public required string MachineId { get; init; }
    public required string Token { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
}
