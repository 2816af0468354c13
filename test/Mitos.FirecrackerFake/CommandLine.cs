namespace Mitos.FirecrackerFake;

/// <summary>Firecracker's arguments.</summary>
internal sealed class CommandLine
{
    private static readonly string[] WithValue = ["api-sock", "id", "seccomp-filter", "start-time-us", "start-time-cpu-us", "parent-cpu-time-us", "config-file", "metadata", "log-path", "level", "module",
        "metrics-path", "describe-snapshot", "http-api-max-payload-size", "mmds-size-limit"];
    private static readonly string[] Flags = ["no-seccomp", "no-api", "show-level", "show-log-origin", "boot-timer", "version", "snapshot-version", "enable-pci", "help"];
    private readonly Dictionary<string, string> _given = [];

    /// <exception cref="ArgumentException">In Firecracker's words.</exception>
    public CommandLine(string[] arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = arguments[i].StartsWith("--", StringComparison.Ordinal) ? arguments[i][2..] : arguments[i];
            if (!arguments[i].StartsWith("--", StringComparison.Ordinal) || (!WithValue.Contains(name) && !Flags.Contains(name)))
                throw new ArgumentException($"Found argument '{name}' which wasn't expected, or isn't valid in this context.");
            if (_given.ContainsKey(name))
                throw new ArgumentException($"The argument '{name}' was provided more than once.");
            if (Flags.Contains(name))
                _given[name] = "";
            else if (i + 1 < arguments.Length && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
                _given[name] = arguments[++i];
            else
                throw new ArgumentException($"The argument '{name}' requires a value, but none was supplied.");
        }
        if (Has("no-seccomp") && Has("seccomp-filter"))
            throw new ArgumentException("Argument 'no-seccomp' cannot be used together with argument 'seccomp-filter'.");
        if (Has("no-api") && !Has("config-file"))
            throw new ArgumentException("Argument 'config-file' required, but not found.");
    }

    public bool Has(string name) => _given.ContainsKey(name);

    public string Value(string name, string otherwise) => _given.GetValueOrDefault(name, otherwise);
}
