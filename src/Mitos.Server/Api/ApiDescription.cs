using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Mitos.Contracts;

namespace Mitos.Server.Api;

/// <summary>What /openapi/v1.json says beyond what the routes themselves say.</summary>
internal static class ApiDescription
{
    private const string Intro = "Sandboxes that are forked while they run. Every answer that is not a success has the body {code, message, remedy}. "
        + "Requests over the unix socket need no key; over HTTP they need `Authorization: Bearer KEY`. docs/api.md has examples, and the messages of streams.";

    private static readonly Dictionary<string, string> Parameters = new()
    {
        ["id"] = "Id, name, or the beginning of an id.",
        ["snapshot"] = "Its id or name, or the beginning of its id.",
        ["process"] = "Its id, or its pid while it runs.",
        ["name"] = "The template's name.",
        ["path"] = "Absolute, or relative to the user's home; at most 4095 bytes.",
        ["user"] = "Whose rights: name or number. Default: user, else root.",
    };

    public static void AddApiDescription(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "Mitos", Version = "v1", Description = Intro };
            document.Servers = []; // wherever it was read from
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                ["key"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An API key." },
            };
            document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("key", document)] = [] }];
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(DescribeAsync);
    });

    private static async Task DescribeAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        foreach (var parameter in operation.Parameters ?? [])
        {
            if (parameter.Description is null && Parameters.TryGetValue(context.Description.RelativePath!.StartsWith("v1/keys", StringComparison.Ordinal) ? "" : parameter.Name!, out var text))
                parameter.Description = text;
        }
        var schema = await context.GetOrCreateSchemaAsync(typeof(ErrorBody), null, cancellationToken);
        context.Document!.AddComponent(nameof(ErrorBody), schema);
        operation.Responses ??= [];
        operation.Responses["default"] = new OpenApiResponse
        {
            Description = "Refused, or failed.",
            Content = new Dictionary<string, OpenApiMediaType> { ["application/json"] = new() { Schema = new OpenApiSchemaReference(nameof(ErrorBody), context.Document) } },
        };
    }
}
