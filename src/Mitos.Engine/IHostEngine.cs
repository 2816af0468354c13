using Mitos.Engine.Hosts;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;

namespace Mitos.Engine;

/// <summary>One host's engine: what a server needs of it. Made by <c>HostEngine.StartAsync(EngineOptions, ILogger-like sink)</c>.</summary>
public interface IHostEngine : IAsyncDisposable
{
    ISandboxes Sandboxes { get; }

    ITemplates Templates { get; }

    ISnapshots Snapshots { get; }

    /// <summary>Probes the host; takes up to a second.</summary>
    HostFacts ProbeHost();
}
