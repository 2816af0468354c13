using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mitos.FirecrackerFake.Api;

internal static class Json
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>As serde writes it: nothing is escaped that need not be.</summary>
    public static string Text(JsonNode node) => node.ToJsonString(Plain);
}
