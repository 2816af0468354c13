namespace Mitos.Engine.Agent;

/// <summary>Placeholder until the agent client is merged.</summary>
public sealed class AgentClient;
