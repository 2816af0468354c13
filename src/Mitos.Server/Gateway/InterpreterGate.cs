using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Gateway;

/// <summary>
/// Who may use the code interpreter of a sandbox. Code is run only for the sandbox's token. Contexts are open to those who send none,
/// for E2B's clients do not send it there; a wrong one is refused. What guards a whole sandbox is its traffic token.
/// </summary>
internal static class InterpreterGate
{
    public const int Port = 49999;

    public static bool MayPass(HttpRequest request, SandboxInfo sandbox)
    {
        if (request.Path.StartsWithSegments("/execute"))
            return AccessToken.IsRight(request, sandbox);
        return !request.Path.StartsWithSegments("/contexts") || !AccessToken.IsSent(request) || AccessToken.IsRight(request, sandbox);
    }
}
