namespace Mitos.Engine.Templates;

/// <summary>A command that a template leaves running. A machine that boots again starts it again.</summary>
/// <param name="Command">For a login shell.</param>
/// <param name="User">Who runs it; empty: the guest's own.</param>
/// <param name="Ready">Succeeds when it is ready; null: nothing is waited for.</param>
public sealed record StartupRecord(string Command, string User, string? Ready);
