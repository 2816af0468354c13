using System.Text.Json;
using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Spec;

namespace Mitos.FirecrackerFake.Api;

/// <summary>Refuses what a request's form alone decides: unknown paths, missing bodies, JSON that is none, fields that the release does not know.</summary>
internal sealed class Gatekeeper(Specification specification)
{
    /// <summary>Returns the operation and its body (null for none).</summary>
    /// <exception cref="Fault">In Firecracker's words.</exception>
    public (Operation Operation, JsonNode? Body) Check(string method, string path, byte[] body, Release release)
    {
        var trimmed = path.Trim('/');
        if (method == "GET" && body.Length > 0)
            throw new Fault("GET request cannot have a body.");
        if (method != "GET" && body.Length == 0 && !trimmed.StartsWith("balloon/hinting", StringComparison.Ordinal))
            throw new Fault(method == "PUT" ? "Empty PUT request." : "Empty PATCH request.");
        if (specification.Find(method, "/" + trimmed) is not { } found || !release.Knows(found.Operation))
            throw new Fault($"Invalid request method and/or path: {method} {trimmed}.");
        if (found.Id is { } id)
            CheckId(id);
        if (found.Operation.Body is not { } schema || body.Length == 0)
            return (found.Operation, null);
        var json = Parse(body);
        if (Schema(found.Operation, schema).Check(json) is { } wrong)
            throw Fault.Json(wrong);
        if (json is JsonObject fields)
        {
            if (release.CheckFields(found.Operation, fields) is { } later)
                throw Fault.Json(later);
            if (found.Id is not null && (string?)(fields["drive_id"] ?? fields["iface_id"] ?? fields["id"]) != found.Id)
                throw new Fault(found.Operation.Path.StartsWith("/drives", StringComparison.Ordinal)
                    ? "The id from the path does not match the id from the body!"
                    : $"The id from the path [{found.Id}] does not match the id from the body [{(string?)(fields["iface_id"] ?? fields["id"])}]!");
        }
        return (found.Operation, json);
    }

    private static void CheckId(string id)
    {
        if (id.Length == 0)
            throw new Fault("The ID cannot be empty.");
        if (!id.All(c => c == '_' || char.IsLetterOrDigit(c)))
            throw new Fault("API Resource IDs can only contain alphanumeric characters and underscores.");
    }

    private static JsonNode? Parse(byte[] body)
    {
        try
        {
            return JsonNode.Parse(body);
        }
        catch (JsonException e)
        {
            throw Fault.Json($"{e.Message.TrimEnd('.')} at line {e.LineNumber + 1} column {e.BytePositionInLine + 1}");
        }
    }

    // The one place where the specification is stricter than the program: a partial update needs no field.
    private static Schema Schema(Operation operation, Schema schema) => operation.Name == "PATCH /machine-config" ? new Schema { Properties = schema.Properties } : schema;
}
