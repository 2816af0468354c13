using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Requests;

/// <summary>Counts requests of our own API that a guest is to answer, while they are open.</summary>
internal static class CountedCalls
{
    /// <summary>For routes whose sandbox is the parameter <c>id</c>. Those over a WebSocket count themselves: they refuse in a message.</summary>
    public static RouteGroupBuilder CountCalls(this RouteGroupBuilder routes) => routes.AddEndpointFilter(async (invocation, next) =>
    {
        var context = invocation.HttpContext;
        using var open = context.WebSockets.IsWebSocketRequest ? null : TryEnter(context);
        return await next(invocation);
    });

    private static IDisposable? TryEnter(HttpContext context)
    {
        SandboxInfo sandbox;
        try
        {
            sandbox = context.RequestServices.GetRequiredService<ISandboxes>().Find((string)context.Request.RouteValues["id"]!);
        }
        catch (SandboxException)
        {
            return null; // there is none: its handler says so, or what else is wrong
        }
        return context.RequestServices.GetRequiredService<OpenCalls>().Enter(sandbox.Id);
    }
}
