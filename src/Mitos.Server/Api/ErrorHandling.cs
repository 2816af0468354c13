using System.Text.Json;
using Microsoft.AspNetCore.Http.Timeouts;
using Mitos.Contracts;
using Mitos.Server.Accounts;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>Sees to it that every answer that is not a success has an <see cref="ErrorBody"/>.</summary>
internal static class ErrorHandling
{
    public static void UseErrorBodies(this WebApplication app) => app.Use(async (context, next) =>
    {
        try
        {
            RememberedBody.Watch(context);
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
                await Errors.WriteAsync(context, context.Response.StatusCode, Describe(context));
        }
        catch (Exception e)
        {
            var (status, body) = Errors.Describe(e is BadHttpRequestException { InnerException: JsonException json } ? RememberedBody.Explain(context, json) : e);
            if (status == 500)
                app.Logger.LogError(e, "{Method} {Path} failed", context.Request.Method, context.Request.Path);
            if (e is TeamLimitException limit && !context.Response.HasStarted)
                limit.Tell(context.Response);
            if (context.Response.HasStarted)
                context.Abort(); // the client must not take what it got for the whole
            else
                await Errors.WriteAsync(context, status, body);
        }
    });

    /// <summary>Requests that a guest must answer at once, and may not.</summary>
    public static void AddGuestLimit(this IServiceCollection services, TimeSpan limit) => services.AddRequestTimeouts(options => options.AddPolicy(GuestLimit, new RequestTimeoutPolicy
    {
        Timeout = limit,
        TimeoutStatusCode = StatusCodes.Status504GatewayTimeout,
        WriteTimeoutResponse = context => Errors.WriteAsync(context, StatusCodes.Status504GatewayTimeout, new ErrorBody(ErrorCodes.DeadlineExceeded,
            $"The agent of sandbox '{context.Request.RouteValues["id"]}' did not answer within {limit.TotalSeconds:0.#} s.",
            "Its guest may be overloaded or stuck: GET …/console shows its last words, GET …/metrics what it uses. Try again, or remove it.")),
    }));

    /// <summary>Name of the policy.</summary>
    public const string GuestLimit = "guest";

    // What routing refuses by a status alone.
    private static ErrorBody Describe(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status405MethodNotAllowed => new(ErrorCodes.Unsupported, $"{context.Request.Path} cannot be used with {context.Request.Method}.", $"Use {context.Response.Headers.Allow}."),
        StatusCodes.Status404NotFound => new(ErrorCodes.NotFound, $"There is nothing at {context.Request.Path}.", "GET /openapi/v1.json lists the addresses."),
        StatusCodes.Status415UnsupportedMediaType => new(ErrorCodes.InvalidArgument, "The body must be JSON.", "Send `Content-Type: application/json`."),
        StatusCodes.Status413PayloadTooLarge => Errors.TooLarge,
        _ => new(ErrorCodes.InvalidArgument, $"The request was refused with {context.Response.StatusCode}.", Errors.SeeDescription),
    };
}
