namespace Mitos.Guest.Processes;

/// <summary>What a process finds in its environment: a base, then the machine's, then its surroundings', then its own.</summary>
internal static class ProcessEnvironment
{
    private const string Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    public static Dictionary<string, string> Of(StartRequest request, Account account, Dictionary<string, string> machine)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = Path,
            ["HOME"] = account.Home,
            ["USER"] = account.Name,
            ["LOGNAME"] = account.Name,
            ["SHELL"] = account.Shell,
            ["LANG"] = "C.UTF-8",
        };
        if (request.Terminal)
            environment["TERM"] = "xterm-256color";
        foreach (var (key, value) in machine)
            environment[key] = value;
        foreach (var (key, value) in request.Surroundings ?? [])
            environment[key] = value;
        foreach (var (key, value) in request.Environment)
            environment[key] = value;
        return environment;
    }
}
