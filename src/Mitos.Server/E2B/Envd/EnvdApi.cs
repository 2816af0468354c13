using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd;

/// <summary>
/// What E2B's agent would answer on its port, answered by the host: nothing of E2B's runs in a guest, and tokens are checked where no
/// guest can reach.
/// </summary>
internal sealed class EnvdApi(ISandboxes sandboxes, ProcessService processes, FilesystemService filesystem)
{
    public const int Port = 49983;
    private const int MaxUnary = 8 << 20;

    public async Task ServeAsync(HttpContext context, SandboxInfo sandbox)
    {
        var path = context.Request.Path.Value ?? "";
        if (path == "/health" && HttpMethods.IsGet(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }
        var isFiles = path == EnvdFiles.Path;
        if (isFiles ? await RefusesFileAsync(context, sandbox) : !HasToken(context.Request, sandbox))
        {
            if (!isFiles)
                await WriteErrorAsync(context, new ConnectException("unauthenticated", "unauthenticated: no or an invalid access token"));
            return;
        }
        try
        {
            context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = isFiles ? null : MaxUnary;
            var call = new EnvdCall(context, sandbox, sandboxes.Agent(sandbox.Id));
            await (path switch
            {
                EnvdFiles.Path => EnvdFiles.ServeAsync(call),
                EnvdFiles.ComposePath => EnvdFiles.ComposeAsync(call),
                "/metrics" => WriteMetricsAsync(call),
                "/envs" => call.AnswerAsync(writer => ProcessService.WriteEnvironment(call, writer)),
                _ => CallAsync(call, path),
            });
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.Internal && sandboxes.TryGet(sandbox.Id) is not { State: SandboxState.Running })
        {
            await GoneAsync(context, sandbox);
        }
        catch (SandboxException) when (sandboxes.TryGet(sandbox.Id) is not { State: SandboxState.Running })
        {
            await GoneAsync(context, sandbox);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            if (isFiles)
                await EnvdFiles.RefuseAsync(context, e);
            else
                await WriteErrorAsync(context, ConnectException.Of(e));
        }
        catch (Exception)
        {
            context.Abort(); // what the client got is not the whole
        }
    }

    private static bool HasToken(HttpRequest request, SandboxInfo sandbox) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(sandbox.AccessToken), Encoding.UTF8.GetBytes(request.Headers["X-Access-Token"].ToString()));

    private static async Task<bool> RefusesFileAsync(HttpContext context, SandboxInfo sandbox)
    {
        var request = context.Request;
        if (HasToken(request, sandbox))
            return false;
        if (Signature.IsSigned(request) && Signature.Matches(request, sandbox.AccessToken) && !Signature.IsExpired(request, DateTimeOffset.UtcNow))
            return false;
        await EnvdFiles.RefuseAsync(context, 401, Signature.Refusal(request));
        return true;
    }

    // A stream is cut: an orderly end would say that its process ended.
    private static Task GoneAsync(HttpContext context, SandboxInfo sandbox)
    {
        if (!context.Response.HasStarted)
            return Gateway.GatewayErrors.NotFoundAsync(context, sandbox.Id.ToString());
        context.Abort();
        return Task.CompletedTask;
    }

    private async Task CallAsync(EnvdCall call, string path)
    {
        var request = call.Context.Request;
        if (!HttpMethods.IsPost(request.Method))
            throw new ConnectException("unimplemented", $"{request.Method} {path} is not known");
        if (Stream(path) is { } stream)
        {
            if (request.ContentType?.StartsWith(ConnectStream.ContentType, StringComparison.Ordinal) != true)
            {
                call.Context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
                return;
            }
            await StreamAsync(call, stream);
            return;
        }
        if (request.ContentType?.StartsWith("application/json", StringComparison.Ordinal) != true)
        {
            call.Context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }
        var unary = Unary(path) ?? throw new ConnectException("unimplemented", $"{path} is not known");
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, call.Aborted);
        await unary(call, JsonSerializer.Deserialize(body.Length == 0 ? "{}"u8 : body.GetBuffer().AsSpan(0, (int)body.Length), E2BJson.Default.JsonElement));
    }

    private static async Task StreamAsync(EnvdCall call, Func<EnvdCall, ConnectStream, JsonElement, Task> serve)
    {
        var stream = new ConnectStream(call.Context);
        ConnectException? error = null;
        try
        {
            var request = await stream.ReadRequestAsync();
            await serve(call, stream, request);
        }
        catch (Exception e) when (e is not OperationCanceledException && e is not AgentException { Code: AgentErrorCode.Internal } && !call.Aborted.IsCancellationRequested)
        {
            error = ConnectException.Of(e);
        }
        if (!call.Context.Response.HasStarted)
            await stream.StartAsync();
        await stream.EndAsync(error);
    }

    private Func<EnvdCall, ConnectStream, JsonElement, Task>? Stream(string path) => path switch
    {
        "/process.Process/Start" => processes.StartAsync,
        "/process.Process/Connect" => processes.ConnectAsync,
        "/process.Process/StreamInput" => processes.StreamInputAsync,
        "/filesystem.Filesystem/WatchDir" => filesystem.WatchAsync,
        _ => null,
    };

    private Func<EnvdCall, JsonElement, Task>? Unary(string path) => path switch
    {
        "/process.Process/List" => processes.ListAsync,
        "/process.Process/Update" => processes.UpdateAsync,
        "/process.Process/SendInput" => processes.SendInputAsync,
        "/process.Process/SendSignal" => processes.SendSignalAsync,
        "/process.Process/CloseStdin" => processes.CloseStdinAsync,
        "/filesystem.Filesystem/Stat" => filesystem.StatAsync,
        "/filesystem.Filesystem/MakeDir" => filesystem.MakeDirectoryAsync,
        "/filesystem.Filesystem/Move" => filesystem.MoveAsync,
        "/filesystem.Filesystem/ListDir" => filesystem.ListAsync,
        "/filesystem.Filesystem/Remove" => FilesystemService.RemoveAsync,
        "/filesystem.Filesystem/CreateWatcher" => filesystem.CreateWatcherAsync,
        "/filesystem.Filesystem/GetWatcherEvents" => filesystem.GetWatcherEventsAsync,
        "/filesystem.Filesystem/RemoveWatcher" => filesystem.RemoveWatcherAsync,
        _ => null,
    };

    private static async Task WriteErrorAsync(HttpContext context, ConnectException error)
    {
        context.Response.StatusCode = error.Status;
        context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(context.Response.BodyWriter);
        writer.WriteStartObject();
        writer.WriteString("code", error.Code);
        writer.WriteString("message", error.Message);
        writer.WriteEndObject();
    }

    private static async Task WriteMetricsAsync(EnvdCall call)
    {
        var metrics = await call.Agent.GetMetricsAsync(call.Aborted);
        await call.AnswerAsync(writer =>
        {
            writer.WriteNumber("ts", DateTimeOffset.UtcNow.ToUnixTimeSeconds());
            writer.WriteNumber("cpu_count", metrics.CpuCount);
            writer.WriteNumber("cpu_used_pct", metrics.Uptime > TimeSpan.Zero ? Math.Round(metrics.CpuUsed / metrics.Uptime / Math.Max(1, metrics.CpuCount) * 100, 2) : 0);
            writer.WriteNumber("mem_total", metrics.MemoryTotalBytes);
            writer.WriteNumber("mem_used", metrics.MemoryTotalBytes - metrics.MemoryAvailableBytes);
            writer.WriteNumber("mem_cache", 0);
            writer.WriteNumber("disk_used", metrics.DiskUsedBytes);
            writer.WriteNumber("disk_total", metrics.DiskTotalBytes);
        });
    }
}
