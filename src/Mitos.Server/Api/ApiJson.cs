using System.Text.Encodings.Web;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Server.Api;

/// <summary>How answers are written.</summary>
internal static class ApiJson
{
    /// <summary>Quotes and signs stay what they are: no answer is put into a page.</summary>
    public static JavaScriptEncoder Encoder => JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    public static ContractsJson Context { get; } = new(new JsonSerializerOptions(ContractsJson.Default.Options) { Encoder = Encoder });
}
