namespace Mitos.Server.Gateway;

/// <summary>Lets pages of any origin use E2B's routes, as theirs do: what guards them is a token, which no browser sends by itself.</summary>
internal static class Cors
{
    /// <summary>Marks the answer, and gives it where the browser only asks what it may do.</summary>
    public static bool TryAnswer(HttpContext context)
    {
        if (!Mark(context) || !IsPreflight(context.Request))
            return false;
        var headers = context.Response.Headers;
        headers.AccessControlAllowMethods = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
        headers.AccessControlAllowHeaders = context.Request.Headers.AccessControlRequestHeaders.ToString() is { Length: > 0 } asked ? asked : "*";
        headers.AccessControlMaxAge = "7200";
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }

    /// <summary>Lets a page read the answer.</summary>
    /// <returns>Whether one asks.</returns>
    public static bool Mark(HttpContext context)
    {
        if (!context.Request.Headers.ContainsKey("Origin"))
            return false;
        context.Response.Headers.AccessControlAllowOrigin = "*";
        context.Response.Headers.AccessControlExposeHeaders = "X-Next-Token, X-Total-Running, Content-Range, Content-Disposition";
        return true;
    }

    /// <summary>Whether a browser only asks what it may do.</summary>
    public static bool IsPreflight(HttpRequest request) => HttpMethods.IsOptions(request.Method) && request.Headers.ContainsKey("Access-Control-Request-Method");
}
