namespace Mitos.Server.Tests.Api;

/// <summary>Fails a request whose answer is not as the description says. Answers of unknown length are let through unread.</summary>
internal sealed class ConformingHandler(ApiDocument api, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        var type = response.Content.Headers.ContentType?.MediaType ?? "";
        var isJson = type == "application/json";
        if (!isJson && type.Length > 0 && response.Content.Headers.ContentLength is null or > 1 << 20)
            return response;
        await response.Content.LoadIntoBufferAsync(cancellationToken);
        var path = new Uri(request.RequestUri!.OriginalString).AbsolutePath; // with `..` resolved, as the server does
        if (api.Find(request.Method, path) is { } operation)
        {
            var problems = api.Check(operation, (int)response.StatusCode, type, await response.Content.ReadAsByteArrayAsync(cancellationToken)).ToList();
            Assert.True(problems.Count == 0, $"{request.Method} {request.RequestUri} answered {(int)response.StatusCode}: {string.Join("; ", problems)}");
        }
        return response;
    }
}
