using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;
using Mitos.Server.Tests.Envd;

namespace Mitos.Server.Tests.Hostile;

/// <summary>Hostile messages to every method of a sandbox's agent, by the list of its services. Each is refused with a code that says whose fault it is, and the sandbox goes on.</summary>
public sealed class EnvdCallTests(ServerFixture server)
{
    private static readonly IEnumerable<MethodDescriptor> Methods = ProcessReflection.Descriptor.Services.Concat(FilesystemReflection.Descriptor.Services).SelectMany(service => service.Methods);

    private static readonly string[] Broken = ["{", "[]", "3", "nope", "\"x\"", new string('[', 5000), "{\"a\":" + new string('[', 500) + "}", "\u0000", "{}}", "{\"\\ud800\":1}"];

    private static readonly string[] WrongValues = ["[{}]", "[null]", "null", "{\"a\":[1]}", "{\"a\":null}", "\"\\u0001\"", "1e99", "-1", "1.5", "true", "99999999999999999999", "\"\\ud800\""];

    private static readonly string[] HostileTexts = ["..", "../../../../proc/self/mem", "a\0b", "/tmp/%2f..%2f", new string('x', 5000), "/" + string.Join('/', Enumerable.Repeat("d", 2400)), "\u202e", "-rf", "\n", "/dev/null/x", "/proc/1/fd/0/x"];

    // An unknown error, an internal one and a loss of data would be ours.
    private static readonly HashSet<string> TheirFault = ["invalid_argument", "not_found", "already_exists", "permission_denied", "unauthenticated", "failed_precondition", "resource_exhausted", "unimplemented"];

    private readonly List<string> _failures = [];
    private int _calls;

    [Fact]
    public async Task Messages_that_make_no_sense_are_refused_by_every_method()
    {
        await using var sandbox = await server.CreateAsync();
        using var client = EnvdClient.Of(server, sandbox.Id);
        foreach (var method in Methods)
        {
            foreach (var broken in Broken)
                await SendAsync(client, method, broken, $"body {Shown(broken)}", mustRefuse: true);
            await SendAsync(client, method, "{\"futureField\":{\"a\":[1,null]}}", "an unknown field", mustRefuse: false);
            foreach (var (name, wrap) in Fields(method.InputType, 2))
            {
                foreach (var wrong in WrongValues)
                    await SendAsync(client, method, wrap(wrong), $"{name} = {wrong}", mustRefuse: false);
                foreach (var hostile in HostileTexts)
                    await SendAsync(client, method, wrap(JsonSerializer.Serialize(hostile)), $"{name} = {Shown(hostile)}", mustRefuse: false);
            }
        }
        await JudgeAsync(client);
    }

    [Fact]
    public async Task Paths_and_methods_that_make_no_sense_are_refused_where_files_are()
    {
        await using var sandbox = await server.CreateAsync();
        using var client = EnvdClient.Of(server, sandbox.Id);
        foreach (var verb in new[] { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW" })
        {
            foreach (var path in HostileTexts.Select(text => Uri.EscapeDataString(text).Replace("%2F", "/", StringComparison.Ordinal)).Concat(["", "%ff%fe", "%", "&path=b", "%00"]))
            {
                foreach (var address in new[] { "files", "files/compose", "metrics", "envs", "nowhere", "process.Process/Nothing" })
                {
                    var request = new HttpRequestMessage(new HttpMethod(verb), $"{address}?path={path}{(path.Length < 1000 ? $"&username={path}" : "")}") { Content = verb is "POST" or "PUT" or "PATCH" ? new StringContent("{", Encoding.UTF8, "application/json") : null };
                    await JudgeAsync(client, request, $"{verb} {address}?path={Shown(path)}", mustRefuse: address == "nowhere" && verb != "OPTIONS");
                }
            }
        }
        await JudgeAsync(client);
    }

    private static string Shown(string text) => text.Length <= 60 ? text : text[..60] + "…";

    // How a value of each field is put into a message.
    private static IEnumerable<(string Name, Func<string, string> Wrap)> Fields(MessageDescriptor message, int depth)
    {
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            yield return (field.JsonName, value => $"{{\"{field.JsonName}\":{value}}}");
            if (field is not { FieldType: FieldType.Message, IsMap: false } || depth == 0)
                continue;
            foreach (var (name, wrap) in Fields(field.MessageType, depth - 1))
                yield return ($"{field.JsonName}.{name}", value => $"{{\"{field.JsonName}\":{(field.IsRepeated ? $"[{wrap(value)}]" : wrap(value))}}}");
        }
    }

    private async Task SendAsync(EnvdClient client, MethodDescriptor method, string body, string what, bool mustRefuse)
    {
        var isStream = method.IsClientStreaming || method.IsServerStreaming;
        byte[] bytes = [.. new byte[isStream ? ConnectFrames.Header : 0], .. Encoding.UTF8.GetBytes(body)];
        if (isStream)
            ConnectFrames.Complete(bytes, 0);
        var type = isStream ? MessageCodec.Json.StreamType : MessageCodec.Json.UnaryType;
        var request = new HttpRequestMessage(HttpMethod.Post, $"{method.Service.FullName}/{method.Name}") { Content = new ByteArrayContent(bytes) { Headers = { ContentType = new(type) } } };
        await JudgeAsync(client, request, $"{method.FullName}, {what}", mustRefuse);
    }

    private async Task JudgeAsync(EnvdClient client, HttpRequestMessage request, string what, bool mustRefuse)
    {
        _calls++;
        try
        {
            using (request)
            using (var response = await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ServerFixture.Soon))
            {
                var status = (int)response.StatusCode;
                var isStream = response.Content.Headers.ContentType?.MediaType == MessageCodec.Json.StreamType;
                if (!isStream && status < 400)
                {
                    if (mustRefuse)
                        _failures.Add($"{what}: {status}");
                    return;
                }
                if (status is >= 500 and not 501)
                    _failures.Add($"{what}: {status}");
                var text = isStream ? await ReadEndAsync(response) : await response.Content.ReadAsStringAsync(ServerFixture.Soon);
                if (text is not null && Route.NamesType(text))
                    _failures.Add($"{what}: {status} names a type: {text}");
                if (text is null ? mustRefuse : !IsRefusal(text, status) && !(request.Method == HttpMethod.Head && text.Length == 0))
                    _failures.Add($"{what}: {status} {Shown(text ?? "a stream")}");
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            _failures.Add($"{what}: {e.Message}");
        }
    }

    // Connect's code in words, or the status where files are.
    private static bool IsRefusal(string text, int status)
    {
        try
        {
            var error = JsonDocument.Parse(text).RootElement;
            var code = error.GetProperty("code");
            return !string.IsNullOrWhiteSpace(error.GetProperty("message").GetString()) && (code.ValueKind == JsonValueKind.Number ? code.GetInt32() == status : TheirFault.Contains(code.GetString()!));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return false;
        }
    }

    // The error at the end of a stream; null: it is served.
    private static async Task<string?> ReadEndAsync(HttpResponseMessage response)
    {
        await using var stream = await response.Content.ReadAsStreamAsync();
        var header = new byte[ConnectFrames.Header];
        while (true)
        {
            await stream.ReadExactlyAsync(header, ServerFixture.Soon);
            var message = new byte[System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(1))];
            await stream.ReadExactlyAsync(message, ServerFixture.Soon);
            if (header[0] != ConnectFrames.End)
                return null;
            return JsonDocument.Parse(message).RootElement.TryGetProperty("error", out var error) ? error.GetRawText() : null;
        }
    }

    private async Task JudgeAsync(EnvdClient client)
    {
        Assert.True(_failures.Count == 0 && _calls > 100, $"{_failures.Count} of {_calls} calls:\n" + string.Join('\n', _failures.Take(100)));
        await client.CallAsync<ListResponse>("process.Process/List", new ListRequest());
    }
}
