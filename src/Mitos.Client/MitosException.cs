using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>The daemon refused, or cannot be reached.</summary>
/// <param name="error">What it said.</param>
/// <param name="inner">What caused it, if anything did here.</param>
public sealed class MitosException(ErrorBody error, Exception? inner = null) : Exception(error.Message, inner)
{
    /// <summary>One of <see cref="ErrorCodes"/>.</summary>
    public string Code { get; } = error.Code;

    /// <summary>What to do about it; may be empty.</summary>
    public string Remedy { get; } = error.Remedy;
}
