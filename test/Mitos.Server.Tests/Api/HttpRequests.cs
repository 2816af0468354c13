using System.Reflection;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Api;

/// <summary>Requests as tests write them.</summary>
internal static class HttpRequests
{
    /// <summary>Every value of <see cref="ErrorCodes"/>.</summary>
    public static IReadOnlyList<string> AllErrorCodes { get; } =
        [.. typeof(ErrorCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetRawConstantValue()!)];

    public static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    public static Task<HttpResponseMessage> PostJsonAsync(this HttpClient http, string path, string json) => http.PostAsync(path, Json(json), ServerFixture.Soon);

    /// <summary>The JSON of a success.</summary>
    public static async Task<JsonElement> ReadAsync(this Task<HttpResponseMessage> sending)
    {
        using var response = await sending;
        var text = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode} {text}");
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The record of a success.</summary>
    public static async Task<T> ReadAsync<T>(this Task<HttpResponseMessage> sending) =>
        (T)(await sending.ReadAsync()).Deserialize(ContractsJson.Default.GetTypeInfo(typeof(T))!)!;

    /// <summary>A success without a body.</summary>
    public static async Task DoneAsync(this Task<HttpResponseMessage> sending)
    {
        using var response = await sending;
        Assert.Equal(204, (int)response.StatusCode);
    }

    /// <summary>The error body of a refusal, in which nothing may be missing.</summary>
    public static async Task<ErrorBody> RefusedAsync(this Task<HttpResponseMessage> sending, int status)
    {
        using var response = await sending;
        var text = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode} instead of {status}: {text}");
        return ReadError(text);
    }

    /// <summary>Fails unless the text is a whole error body.</summary>
    public static ErrorBody ReadError(string text)
    {
        var error = JsonSerializer.Deserialize(text, ContractsJson.Default.ErrorBody)!;
        Assert.Contains(error.Code, AllErrorCodes);
        Assert.False(string.IsNullOrWhiteSpace(error.Message), text);
        Assert.False(string.IsNullOrWhiteSpace(error.Remedy), text);
        return error;
    }
}
