using System.Globalization;
using System.Text;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Envd;

/// <summary>One request for the agent of a sandbox.</summary>
internal sealed record EnvdCall(HttpContext Context, SandboxInfo Sandbox, AgentClient Agent)
{
    public CancellationToken Aborted => Context.RequestAborted;

    /// <summary>Whose rights: of the name in the Basic header; empty: the default user.</summary>
    public string User { get; } = UserOf(Context.Request.Headers.Authorization.ToString());

    /// <summary>What the client gives the call; null: no limit.</summary>
    public TimeSpan? Timeout => double.TryParse(Context.Request.Headers["Connect-Timeout-Ms"], NumberStyles.Float, CultureInfo.InvariantCulture, out var ms) && ms is > 0 and < 2e9
        ? TimeSpan.FromMilliseconds(ms)
        : null;

    /// <summary>After this much silence a sign of life is sent.</summary>
    public TimeSpan KeepAlive => int.TryParse(Context.Request.Headers["Keepalive-Ping-Interval"], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 3600
        ? TimeSpan.FromSeconds(seconds)
        : TimeSpan.FromSeconds(90);

    /// <summary>Answers a unary call.</summary>
    public async Task AnswerAsync(Action<Utf8JsonWriter> write)
    {
        Context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(Context.Response.BodyWriter);
        writer.WriteStartObject();
        write(writer);
        writer.WriteEndObject();
        await writer.FlushAsync(Aborted);
    }

    private static string UserOf(string authorization)
    {
        if (!authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return "";
        var buffer = new byte[authorization.Length];
        return Convert.TryFromBase64String(authorization[6..].Trim(), buffer, out var length)
            ? Encoding.UTF8.GetString(buffer, 0, length).Split(':', 2)[0]
            : throw new ConnectException("unauthenticated", "the Authorization header is no Basic header");
    }
}
