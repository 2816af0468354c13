using System.Globalization;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.E2B.Envd;

/// <summary>One request for the agent of a sandbox.</summary>
internal sealed class EnvdCall : IDisposable
{
    private const string Basic = "Basic ";
    private readonly CancellationTokenSource? _over, _ended;

    /// <exception cref="ConnectException">unauthenticated: the Basic header is none.</exception>
    public EnvdCall(HttpContext context, SandboxInfo sandbox, AgentClient agent)
    {
        (Context, Sandbox, Agent) = (context, sandbox, agent);
        User = UserOf(context.Request.Headers.Authorization.ToString());
        Timeout = TimeoutOf(context.Request.Headers["Connect-Timeout-Ms"].ToString());
        if (Timeout is not { } timeout)
            return;
        _over = new CancellationTokenSource(timeout);
        _ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _over.Token);
    }

    public HttpContext Context { get; }

    public SandboxInfo Sandbox { get; }

    public AgentClient Agent { get; }

    /// <summary>As E2B's agent uses files: as root, for a user, whose home relative paths begin at and who owns what is written.</summary>
    public AgentFiles Files => Agent.FilesAsRoot;

    /// <summary>The name in the Basic header: whose processes and files; empty: the default user.</summary>
    public string User { get; }

    /// <summary>What the client gives the call; null: no limit.</summary>
    public TimeSpan? Timeout { get; }

    /// <summary>That time is over.</summary>
    public CancellationToken Over => _over?.Token ?? CancellationToken.None;

    /// <summary>That time is over, or the client has left.</summary>
    public CancellationToken Ended => _ended?.Token ?? Context.RequestAborted;

    public bool IsOver => Over.IsCancellationRequested;

    public bool Left => Context.RequestAborted.IsCancellationRequested;

    /// <summary>After this much silence a sign of life is sent.</summary>
    public TimeSpan KeepAlive => int.TryParse(Context.Request.Headers["Keepalive-Ping-Interval"], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 3600
        ? TimeSpan.FromSeconds(seconds)
        : TimeSpan.FromSeconds(90);

    public void Dispose()
    {
        _ended?.Dispose();
        _over?.Dispose();
    }

    private static TimeSpan? TimeoutOf(string header) =>
        double.TryParse(header, NumberStyles.Float, CultureInfo.InvariantCulture, out var ms) && ms is > 0 and < 2e9 ? TimeSpan.FromMilliseconds(ms) : null;

    private static string UserOf(string authorization)
    {
        if (!authorization.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
            return "";
        var buffer = new byte[authorization.Length];
        return Convert.TryFromBase64String(authorization[Basic.Length..].Trim(), buffer, out var length)
            ? Encoding.UTF8.GetString(buffer, 0, length).Split(':', 2)[0]
            : throw new ConnectException("unauthenticated", "the Authorization header is no Basic header");
    }
}
