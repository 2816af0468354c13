namespace Mitos.Engine.SelfTest;

/// <summary>What one check found.</summary>
/// <param name="Name">Says what holds when it passes.</param>
/// <param name="Passed">Whether it does.</param>
/// <param name="Figure">A figure with its unit; of a failure, what was seen.</param>
public sealed record SelfTestResult(string Name, bool Passed, string Figure);

/// <summary>How much a check does.</summary>
/// <param name="Forks">Of the checks that look for what goes wrong seldom.</param>
/// <param name="Depth">Of forks of forks.</param>
/// <param name="Children">At once.</param>
/// <param name="Births">Of one capture, one after the other, for the figures of what a fork costs.</param>
public sealed record SelfTestSize(int Forks, int Depth, int Children, int Births)
{
    /// <summary>Some seconds: before a daemon uses a VMM.</summary>
    public static readonly SelfTestSize Short = new(10, 4, 4, 4);

    /// <summary>A minute or so: <c>mitos doctor --self-test</c>.</summary>
    public static readonly SelfTestSize Full = new(200, 32, 16, 200);
}

/// <summary>A check saw what must not be.</summary>
public sealed class SelfTestException(string message) : Exception(message);
