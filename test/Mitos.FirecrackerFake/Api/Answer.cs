using System.Text.Json.Nodes;

namespace Mitos.FirecrackerFake.Api;

/// <summary>What goes back.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The body; empty with 204.</param>
/// <param name="Deprecated">Whether the request used something that will go.</param>
internal sealed record Answer(int Status, string Body = "", bool Deprecated = false)
{
    public static readonly Answer Done = new(204);

    /// <summary>The process ends once this was sent.</summary>
    public bool IsFatal { get; init; }

    public static Answer Of(JsonNode body) => new(200, Json.Text(body));

    public static Answer Of(Fault fault) => new(fault.Status, Json.Text(new JsonObject { ["fault_message"] = fault.Message })) { IsFatal = fault.IsFatal };
}
