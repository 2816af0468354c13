using Mitos.Server.Accounts;

namespace Mitos.Server.Requests;

/// <summary>Puts the audit log and the idempotency of requests into the pipeline.</summary>
internal static class RequestGates
{
    private const int MaxSubject = 64;

    public static void AddRequestGates(this IServiceCollection services, string stateDirectory) =>
        services.AddSingleton<MadeAnswers>().AddSingleton<IdempotencyGate>().AddSingleton(provider => new AuditLog(stateDirectory, provider.GetRequiredService<ILogger<AuditLog>>()));

    /// <summary>Comes before whatever may refuse a request.</summary>
    public static void UseAudit(this WebApplication app)
    {
        var log = app.Services.GetRequiredService<AuditLog>();
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            finally
            {
                if (Changes(context))
                    log.Write(Describe(context));
            }
        });
    }

    /// <summary>Comes behind the gate that says whose a request is.</summary>
    public static void UseIdempotency(this WebApplication app)
    {
        var gate = app.Services.GetRequiredService<IdempotencyGate>();
        app.Use((context, next) => gate.ServeAsync(context, next));
    }

    private static bool Changes(HttpContext context) => context.WebSockets.IsWebSocketRequest
        || !(HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method) || HttpMethods.IsOptions(context.Request.Method));

    private static AuditEntry Describe(HttpContext context)
    {
        var caller = context.Items[typeof(Caller)] as Caller;
        var subject = (context.Request.RouteValues["id"] ?? context.Request.RouteValues["name"]) as string;
        return new AuditEntry(DateTimeOffset.UtcNow, caller?.TeamId, caller?.KeyId, context.Connection.RemoteIpAddress?.ToString(), context.Request.Method,
            (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText, subject is { Length: > MaxSubject } ? subject[..MaxSubject] : subject,
            caller is { Made.Count: > 0 } ? caller.Made : null, context.Response.StatusCode);
    }
}
