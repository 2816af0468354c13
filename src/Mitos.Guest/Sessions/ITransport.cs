namespace Mitos.Guest.Sessions;

/// <summary>A byte stream to the host that may break and come back at any byte.</summary>
internal interface ITransport
{
    /// <summary>Bytes have come. The span is valid during the call.</summary>
    Action<ReadOnlySpan<byte>>? Received { get; set; }

    /// <summary>The stream broke, or began anew: what was under way is lost.</summary>
    Action? Broken { get; set; }

    /// <summary>More can be written.</summary>
    Action? Writable { get; set; }

    /// <summary>Writes what it can; returns how many bytes. 0: wait for <see cref="Writable"/>.</summary>
    int Write(ReadOnlySpan<byte> bytes);
}
