using System.Runtime.CompilerServices;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Client;

public sealed partial class MitosClient
{
    /// <summary>All templates.</summary>
    public Task<List<TemplateBody>> ListTemplatesAsync(CancellationToken cancellationToken = default) => _transport.GetAsync("v1/templates", ContractsJson.Default.ListTemplateBody, cancellationToken);

    /// <summary>A template.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<TemplateBody> GetTemplateAsync(string name, CancellationToken cancellationToken = default) =>
        _transport.GetAsync($"v1/templates/{Part(name, "template")}", ContractsJson.Default.TemplateBody, cancellationToken);

    /// <summary>Builds a template. The last event has it; a failure is thrown.</summary>
    /// <param name="request">What to build.</param>
    /// <param name="cancellationToken">Ends the build; nothing is kept of it.</param>
    /// <exception cref="MitosException">A step failed, or the connection broke.</exception>
    public async IAsyncEnumerable<BuildEvent> BuildTemplateAsync(BuildTemplateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var content = Transport.Json(request, ContractsJson.Default.BuildTemplateRequest);
        using var response = await _transport.SendAsync(new HttpRequestMessage(HttpMethod.Post, "v1/templates") { Content = content }, cancellationToken);
        using var reader = new StreamReader(await _transport.GuardAsync(() => response.Content.ReadAsStreamAsync(cancellationToken)));
        while (await _transport.GuardAsync(() => reader.ReadLineAsync(cancellationToken).AsTask()) is { } line)
        {
            var next = JsonSerializer.Deserialize(line, ContractsJson.Default.BuildEvent)!;
            if (next.Error is { } error)
                throw new MitosException(error);
            yield return next;
            if (next.Template is not null)
                yield break;
        }
        throw new MitosException(new ErrorBody(ErrorCodes.Unavailable, $"The build of the template '{request.Name}' broke off.", "See whether the daemon runs with `mitos status`, and build again."));
    }

    /// <summary>Says whether all teams may use a template, or only its own, which alone may change that.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isPublic">Whether all may. Sandboxes of others live on when they may not any more.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<TemplateBody> SetTemplateVisibilityAsync(string name, bool isPublic, CancellationToken cancellationToken = default) =>
        _transport.PatchAsync($"v1/templates/{Part(name, "template")}", new UpdateTemplateRequest(isPublic), ContractsJson.Default.UpdateTemplateRequest, ContractsJson.Default.TemplateBody, cancellationToken);

    /// <summary>Removes a template that nothing uses.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task RemoveTemplateAsync(string name, CancellationToken cancellationToken = default) =>
        _transport.DoAsync(HttpMethod.Delete, $"v1/templates/{Part(name, "template")}", null, cancellationToken);
}
