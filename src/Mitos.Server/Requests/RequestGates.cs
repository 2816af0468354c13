using Mitos.Server.Accounts;

namespace Mitos.Server.Requests;

/// <summary>Puts the audit log and the idempotency of requests into the pipeline.</summary>
internal static class RequestGates
{
    private const int MaxSubject = 64;

    // What is done inside sandboxes by our own API; by E2B's it comes through the gateway.
    private static readonly string[] Data = [.. new[] { "exec", "files", "processes", "console" }.Select(what => $"/v1/sandboxes/{{id}}/{what}")];

    public static void AddRequestGates(this IServiceCollection services, string stateDirectory) =>
        services.AddSingleton<MadeAnswers>().AddSingleton<IdempotencyGate>().AddSingleton(provider => new AuditLog(stateDirectory, provider.GetRequiredService<ILogger<AuditLog>>()))
            .AddSingleton(provider => new DataAudit(stateDirectory, provider.GetRequiredService<ILogger<AuditLog>>(), provider.GetRequiredService<TimeProvider>())).AddHostedService(provider => provider.GetRequiredService<DataAudit>());

    /// <summary>Comes before whatever may refuse a request.</summary>
    public static void UseAudit(this WebApplication app)
    {
        var log = app.Services.GetRequiredService<AuditLog>();
        var data = app.Services.GetRequiredService<DataAudit>();
        app.Use(async (context, next) =>
        {
            if (IsData(context))
            {
                await data.WatchAsync(context, () => DescribeData(context), () => next(context));
                return;
            }
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

    private static bool IsData(HttpContext context) => RouteOf(context) is { } route && Array.Exists(Data, data => route.StartsWith(data, StringComparison.Ordinal));

    private static string? RouteOf(HttpContext context) => (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;

    private static string? SubjectOf(HttpContext context) =>
        (context.Request.RouteValues["id"] ?? context.Request.RouteValues["name"]) as string is { } subject ? subject.Length > MaxSubject ? subject[..MaxSubject] : subject : null;

    private static DataAccess DescribeData(HttpContext context)
    {
        var caller = context.Items[typeof(Caller)] as Caller;
        return new DataAccess(caller?.TeamId, caller?.KeyId, null, context.Connection.RemoteIpAddress?.ToString(), context.Request.Method, RouteOf(context), SubjectOf(context), 0, null);
    }

    private static AuditEntry Describe(HttpContext context)
    {
        var caller = context.Items[typeof(Caller)] as Caller;
        return new AuditEntry(DateTimeOffset.UtcNow, caller?.TeamId, caller?.KeyId, context.Connection.RemoteIpAddress?.ToString(), context.Request.Method,
            RouteOf(context), SubjectOf(context),
            caller is { Made.Count: > 0 } ? caller.Made : null, context.Response.StatusCode);
    }
}
