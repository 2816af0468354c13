namespace Mitos.Cli.Terminal;

/// <summary>The daemon's words name addresses and fields of its API; whoever types commands is told commands and options.</summary>
internal static class Remedies
{
    private static readonly (string Api, string Command)[] Words =
    [
        ("GET …/files/list lists files", "`mitos exec ID -- ls` lists files"),
        ("GET …/files/list lists it", "`mitos exec ID -- ls` lists it"),
        ("GET …/processes lists processes", "`mitos exec ID -- ps ax` lists processes"),
        ("GET …/processes shows what runs", "`mitos exec ID -- ps ax` shows what runs"),
        ("GET …/processes what runs", "`mitos exec ID -- ps ax` what runs"),
        ("GET …/console shows", "`mitos logs ID` shows"),
        ("GET …/metrics what it uses", "`mitos top` what it uses"),
        ("GET the sandbox for its state, and its …/console for its last words", "`mitos inspect ID` shows its state, `mitos logs ID` its last words"),
        ("GET /v1/keys lists the keys", "`mitos keys ls` lists the keys"),
        ("GET /v1/teams lists the teams", "`mitos keys ls` shows the teams that have keys"),
        ("Leave out template: the snapshot has one", "Leave out --template: the snapshot has one"),
        ("Leave out cpuCount and memoryMiB", "Leave out --cpu and --memory"),
        ("expiresAt is", "--expires is"),
        ("Give a time to come, or leave it out", "Give a time to come, such as 30d or 2027-01-31, or leave --expires out"),
        ("Use a user who may, for example root", "Use a user who may, for example with -u root"),
        ("onTimeout says what happens", "--on-timeout says what happens"),
        ("Give timeoutSeconds too, or leave both out", "Give --timeout too, or leave both out"),
        ("or leave timeoutSeconds out: it lives until it is removed", "or leave --timeout out: it lives until it is removed"),
        ("GET /openapi/v1.json says what this address takes", "`mitos help` says how the commands are used"),
    ];

    public static string ForCommands(string text)
    {
        foreach (var (api, command) in Words)
            text = text.Replace(api, command, StringComparison.Ordinal);
        return text;
    }
}
