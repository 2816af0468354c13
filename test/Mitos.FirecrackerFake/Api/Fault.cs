namespace Mitos.FirecrackerFake.Api;

/// <summary>A request that is refused; the message is the answer's <c>fault_message</c>.</summary>
internal sealed class Fault(string message, int status = 400) : Exception(message)
{
    public const string AfterStart = "The requested operation is not supported after starting the microVM.";
    public const string BeforeStart = "The requested operation is not supported before starting the microVM.";

    public int Status { get; } = status;

    /// <summary>Whether the process ends after it: every failure of a load but the one for its order.</summary>
    public bool IsFatal { get; init; }

    public static Fault Json(string wrong) => new($"An error occurred when deserializing the json body of a request: {wrong}.");
}
