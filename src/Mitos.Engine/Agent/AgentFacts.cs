namespace Mitos.Engine.Agent;

/// <summary>What the agent says of itself at the greeting.</summary>
/// <param name="Version">Of the agent.</param>
/// <param name="BootId">Of the guest's kernel; the same in all forks of one machine.</param>
/// <param name="Uptime">Of the guest.</param>
/// <param name="SandboxId">Of the last handshake; empty before the first.</param>
public sealed record AgentFacts(string Version, string BootId, TimeSpan Uptime, string SandboxId);
