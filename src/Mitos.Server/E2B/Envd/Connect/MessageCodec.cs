using System.Buffers;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>One of the two forms that messages have in the Connect protocol. The content type says which.</summary>
internal abstract class MessageCodec(string name)
{
    public static readonly MessageCodec Json = new JsonCodec(), Proto = new ProtoCodec();

    /// <summary>Content type of a call with one message each way.</summary>
    public string UnaryType { get; } = $"application/{name}";

    /// <summary>Content type of a stream.</summary>
    public string StreamType { get; } = $"application/connect+{name}";

    public static MessageCodec? OfUnary(string? contentType) => Find(contentType, codec => codec.UnaryType);

    public static MessageCodec? OfStream(string? contentType) => Find(contentType, codec => codec.StreamType);

    /// <exception cref="ConnectException">invalid_argument.</exception>
    public T Read<T>(ReadOnlySpan<byte> bytes)
        where T : IMessage<T>, new()
    {
        try
        {
            return Parse<T>(bytes);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidJsonException or DecoderFallbackException)
        {
            throw ConnectException.Invalid($"the message is no {typeof(T).Name} in {UnaryType}: {Explain(new T().Descriptor, bytes, e)}");
        }
    }

    public abstract void Write(IMessage message, IBufferWriter<byte> target);

    /// <summary>What is wrong with a message that the parser refused.</summary>
    protected virtual string Explain(MessageDescriptor descriptor, ReadOnlySpan<byte> bytes, Exception e) => e.Message;

    protected abstract T Parse<T>(ReadOnlySpan<byte> bytes)
        where T : IMessage<T>, new();

    private static MessageCodec? Find(string? contentType, Func<MessageCodec, string> typeOf)
    {
        var type = (contentType ?? "").AsSpan();
        var end = type.IndexOf(';');
        type = (end < 0 ? type : type[..end]).Trim(); // charset=utf-8 may follow, and is all that there can be
        return type.Equals(typeOf(Json), StringComparison.OrdinalIgnoreCase) ? Json : type.Equals(typeOf(Proto), StringComparison.OrdinalIgnoreCase) ? Proto : null;
    }

    private sealed class JsonCodec() : MessageCodec("json")
    {
        private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
        private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true)); // clients grow fields
        private static readonly JsonFormatter Formatter = JsonFormatter.Default;

        public override void Write(IMessage message, IBufferWriter<byte> target) => Encoding.UTF8.GetBytes(Formatter.Format(message), target);

        protected override string Explain(MessageDescriptor descriptor, ReadOnlySpan<byte> bytes, Exception e) => WrongMessage.Describe(descriptor, bytes, e.Message);

        protected override T Parse<T>(ReadOnlySpan<byte> bytes) => bytes.IsEmpty ? new T() : Parser.Parse<T>(Strict.GetString(bytes));
    }

    private sealed class ProtoCodec() : MessageCodec("proto")
    {
        public override void Write(IMessage message, IBufferWriter<byte> target) => message.WriteTo(target);

        protected override T Parse<T>(ReadOnlySpan<byte> bytes)
        {
            var message = new T();
            message.MergeFrom(bytes);
            return message;
        }
    }
}
