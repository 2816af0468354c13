using Google.Protobuf;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>A method of a service, written once for both forms of messages.</summary>
internal abstract class ConnectMethod
{
    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(30);

    /// <summary>One message each way.</summary>
    public static ConnectMethod Unary<TRequest, TResponse>(Func<EnvdCall, TRequest, Task<TResponse>> serve)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : IMessage => new UnaryMethod<TRequest, TResponse>(serve);

    /// <summary>A stream of messages one way, or both ways; the first of the client's comes before anything else.</summary>
    public static ConnectMethod Streaming<TRequest>(Func<EnvdCall, ConnectStream, TRequest, Task> serve)
        where TRequest : class, IMessage<TRequest>, new() => new StreamingMethod<TRequest>(serve);

    /// <exception cref="ConnectException">Refused; nothing was answered yet.</exception>
    public abstract Task ServeAsync(EnvdCall call);

    /// <summary>Says no before anything was read.</summary>
    public abstract Task RefuseAsync(HttpContext context, ConnectException error);

    private static Task RefuseTypeAsync(HttpContext context, Func<MessageCodec, string> typeOf)
    {
        var types = $"{typeOf(MessageCodec.Json)}, {typeOf(MessageCodec.Proto)}";
        context.Response.Headers["Accept-Post"] = types;
        return ConnectException.Invalid($"the content type '{context.Request.ContentType}' is not known here; use one of {types}").WriteAsync(context.Response, StatusCodes.Status415UnsupportedMediaType);
    }

    // What a client has to say at once it must say soon.
    private static async Task<T> SoonAsync<T>(EnvdCall call, Func<CancellationToken, Task<T>> read)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(call.Ended);
        limit.CancelAfter(RequestLimit);
        try
        {
            return await read(limit.Token);
        }
        catch (OperationCanceledException) when (!call.Ended.IsCancellationRequested)
        {
            throw new ConnectException("deadline_exceeded", $"the request did not come within {RequestLimit.TotalSeconds} seconds");
        }
    }

    private sealed class UnaryMethod<TRequest, TResponse>(Func<EnvdCall, TRequest, Task<TResponse>> serve) : ConnectMethod
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : IMessage
    {
        public override async Task ServeAsync(EnvdCall call)
        {
            if (MessageCodec.OfUnary(call.Context.Request.ContentType) is not { } codec)
            {
                await RefuseTypeAsync(call.Context, codec => codec.UnaryType);
                return;
            }
            try
            {
                var body = await SoonAsync(call, token => UnaryBody.ReadAsync(call.Context.Request, token));
                var answer = await serve(call, codec.Read<TRequest>(body));
                await UnaryBody.WriteAsync(call.Context, codec, answer);
            }
            catch (OperationCanceledException) when (call.IsOver)
            {
                throw ConnectException.Over();
            }
        }

        public override Task RefuseAsync(HttpContext context, ConnectException error) => error.WriteAsync(context.Response);
    }

    private sealed class StreamingMethod<TRequest>(Func<EnvdCall, ConnectStream, TRequest, Task> serve) : ConnectMethod
        where TRequest : class, IMessage<TRequest>, new()
    {
        public override async Task ServeAsync(EnvdCall call)
        {
            if (MessageCodec.OfStream(call.Context.Request.ContentType) is not { } codec)
            {
                await RefuseTypeAsync(call.Context, codec => codec.StreamType);
                return;
            }
            var stream = new ConnectStream(call.Context, codec);
            ConnectException? error = null;
            try
            {
                var request = await SoonAsync(call, stream.ReadAsync<TRequest>) ?? throw ConnectException.Invalid("the request has no message");
                await serve(call, stream, request);
            }
            catch (OperationCanceledException) when (call.IsOver && !call.Left)
            {
                error = ConnectException.Over();
            }
            catch (Exception e) when (!IsCut(e, call))
            {
                error = ConnectException.Of(e);
            }
            await stream.EndAsync(error);
        }

        // Errors of streams come in their last frame: clients take the status of the answer for the way's.
        public override Task RefuseAsync(HttpContext context, ConnectException error) =>
            new ConnectStream(context, MessageCodec.OfStream(context.Request.ContentType) ?? MessageCodec.Json).EndAsync(error);

        // Where the machine is gone, or the client, there is no end: an end would say that the process ended.
        private static bool IsCut(Exception e, EnvdCall call) => call.Left || e is OperationCanceledException or AgentException { Code: AgentErrorCode.Internal };
    }
}
