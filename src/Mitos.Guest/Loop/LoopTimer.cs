namespace Mitos.Guest.Loop;

/// <summary>An action that is due later.</summary>
internal sealed class LoopTimer(Action action)
{
    private Action? _action = action;

    /// <summary>Nothing happens when it is due. Also lets go of what the action refers to.</summary>
    public void Cancel() => _action = null;

    public void Fire() => _action?.Invoke();
}
