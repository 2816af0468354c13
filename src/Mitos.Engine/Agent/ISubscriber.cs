using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>Takes what the agent sends of itself. Its subscription is made again whenever the connection was.</summary>
internal interface ISubscriber
{
    /// <summary>The request that subscribes.</summary>
    MessageType Type { get; }

    /// <summary>That request's payload as of now.</summary>
    byte[] Subscribe();

    /// <summary>The connection broke and is there again.</summary>
    void OnReconnected();

    /// <summary>Takes one frame. False: it makes no sense.</summary>
    bool OnFrame(MessageType type, byte[] payload);

    /// <summary>No more will come.</summary>
    void OnLost(AgentException reason);
}
