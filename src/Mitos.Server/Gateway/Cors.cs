namespace Mitos.Server.Gateway;

/// <summary>Lets pages of any origin use E2B's routes, as theirs do: what guards them is a token, which no browser sends by itself.</summary>
internal static class Cors
{
    /// <summary>Marks the answer, and gives it where the browser only asks what it may do.</summary>
    public static bool TryAnswer(HttpContext context)
    {
        if (!context.Request.Headers.ContainsKey("Origin"))
            return false;
        var headers = context.Response.Headers;
        headers.AccessControlAllowOrigin = "*";
        headers.AccessControlExposeHeaders = "X-Next-Token, X-Total-Running, Content-Range, Content-Disposition";
        if (!HttpMethods.IsOptions(context.Request.Method) || !context.Request.Headers.ContainsKey("Access-Control-Request-Method"))
            return false;
        headers.AccessControlAllowMethods = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
        headers.AccessControlAllowHeaders = context.Request.Headers.AccessControlRequestHeaders.ToString() is { Length: > 0 } asked ? asked : "*";
        headers.AccessControlMaxAge = "7200";
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }
}
