namespace Mitos.Engine.Errors;

/// <summary>A VMM refused a call, answered nonsense, stalled or died.</summary>
public sealed class VmmException(string message, Exception? inner = null) : Exception(message, inner);
