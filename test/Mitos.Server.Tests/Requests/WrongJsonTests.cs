using System.Text;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;
using Mitos.Server.Requests;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;
using Mitos.Server.Tests.Exec;

namespace Mitos.Server.Tests.Requests;

/// <summary>What is said of JSON that is something else: the field, what it must be, and what came. That no route names a type is in the tables of Hostile and BadInputTests.</summary>
public sealed class WrongJsonTests(ServerFixture server)
{
    [Theory]
    [InlineData("[]", "it must be an object, not an array")]
    [InlineData("3", "it must be an object, not 3")]
    [InlineData("{\"cpuCount\":\"2\"}", "cpuCount must be a whole number from -2147483648 to 2147483647, not a string")]
    [InlineData("{\"cpuCount\":1.5}", "cpuCount must be a whole number from -2147483648 to 2147483647, not 1.5")]
    [InlineData("{\"cpuCount\":99999999999}", "cpuCount must be a whole number from -2147483648 to 2147483647, not 99999999999")]
    [InlineData("{\"cpuCount\":{\"a\":1}}", "cpuCount must be a whole number from -2147483648 to 2147483647, not an object")]
    [InlineData("{\"name\":7}", "name must be a string, not 7")]
    [InlineData("{\"name\":[]}", "name must be a string, not an array")]
    [InlineData("{\"name\":\"\\ud800\"}", "name is a string that is no text: half of a pair of surrogates, or no UTF-8")]
    [InlineData("{\"noCache\":null}", "noCache must be true or false, not null")]
    [InlineData("{\"noCache\":\"yes\"}", "noCache must be true or false, not a string")]
    [InlineData("{\"env\":[]}", "env must be an object of strings, not an array")]
    [InlineData("{\"env\":{\"A\":\"1\",\"B\":2}}", "env.B must be a string, not 2")]
    [InlineData("{\"env\":{\"a.b\":true}}", "['a.b'] must be a string, not true")]
    [InlineData("{\"steps\":{}}", "steps must be an array of objects, not an object")]
    [InlineData("{\n \"name\": \"x\",\n \"steps\": [{\"run\":\"a\"},\n {\"run\": false}]}", "steps[1].run must be a string, not false")]
    [InlineData("{\"steps\":[3]}", "steps[0] must be an object, not 3")]
    public void The_field_what_it_must_be_and_what_came_are_named(string json, string said)
    {
        var message = Assert.Throws<WrongJsonException>(() => WrongJsonException.Read(Encoding.UTF8.GetBytes(json), ContractsJson.Default.BuildTemplateRequest)).Message;
        Assert.EndsWith(said, message, StringComparison.Ordinal);
        // nor does it need to have the whole, or to know what is read
        var e = Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(json, ContractsJson.Default.BuildTemplateRequest));
        Assert.StartsWith(message.Split(", not")[0].Split(" is a string that")[0], WrongJsonException.Of(e, ContractsJson.Default.BuildTemplateRequest, []).Message, StringComparison.Ordinal);
        Assert.Matches(@"must be something else|no text", WrongJsonException.Of(e, null, Encoding.UTF8.GetBytes(json)).Message);
    }

    [Theory]
    [InlineData("{\"expiresAt\":\"soon\"}", "expiresAt must be a time such as 2027-01-31T18:00:00Z, not \"soon\"")]
    [InlineData("{\"expiresAt\":5}", "expiresAt must be a time such as 2027-01-31T18:00:00Z, not 5")]
    [InlineData("{", "(line 1, byte 2)")]
    [InlineData("{\"name\":\n nope}", "(line 2, byte 3)")]
    [InlineData("{}}", "(line 1, byte 3)")]
    public async Task Our_routes_say_it_of_their_bodies(string body, string said)
    {
        var error = await server.Http.PostJsonAsync("v1/keys", body).RefusedAsync(400);
        Assert.StartsWith("The body is not the JSON that is expected here: ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(said + ".", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task E2B_s_routes_and_streams_say_it_too()
    {
        var message = await server.Http.PostJsonAsync("v2/sandboxes", """{"templateID":"base","metadata":{"a":1}}""").E2BRefusedAsync(400);
        Assert.Equal("The body is not the JSON that is expected here: metadata.a must be a string, not 1.", message);
        using var stream = await RawStream.ConnectAsync(server, $"v1/sandboxes/{await server.ShareAsync()}/exec/stream");
        await stream.SendAsync("""{"argv":["true"],"tty":{"rows":"x"}}""");
        var refused = await stream.ReadControlAsync();
        Assert.Equal(ExecMessages.Error, refused.Type);
        Assert.Contains("tty.rows must be a whole number from -2147483648 to 2147483647, not a string", refused.Error!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "it must be an object, not an array")]
    [InlineData("{\"process\":7}", "process must be an object, not 7")]
    [InlineData("{\"process\":{\"cmd\":true}}", "process.cmd must be a string, not true")]
    [InlineData("{\"process\":{\"args\":\"x\"}}", "process.args must be an array, not this string")]
    [InlineData("{\"process\":{\"args\":[\"x\",2]}}", "process.args[1] must be a string, not 2")]
    [InlineData("{\"process\":{\"envs\":{\"A\":1}}}", "process.envs.A must be a string, not 1")]
    [InlineData("{\"pty\":{\"size\":{\"cols\":-1}}}", "pty.size.cols must be a whole number from 0 to 4294967295, not -1")]
    [InlineData("{\"pty\":{\"size\":{\"cols\":[]}}}", "pty.size.cols must be a whole number from 0 to 4294967295, not an array")]
    [InlineData("{\"stdin\":\"yes\"}", "stdin must be true or false, not this string")]
    [InlineData("{\"process\":", "(line 1, byte ")]
    public void The_agent_s_messages_say_it_too(string json, string said)
    {
        var message = Assert.Throws<ConnectException>(() => MessageCodec.Json.Read<StartRequest>(Encoding.UTF8.GetBytes(json))).Message;
        Assert.StartsWith("the message is no StartRequest in application/json: ", message, StringComparison.Ordinal);
        Assert.Contains(said, message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_body_is_refused_with_what_is_known_of_it()
    {
        var padding = new string('x', 200_000);
        var error = await server.Http.PostJsonAsync("v1/keys", $$"""{"other":"{{padding}}","name":7}""").RefusedAsync(400);
        Assert.EndsWith("name must be a string.", error.Message, StringComparison.Ordinal);
    }
}
