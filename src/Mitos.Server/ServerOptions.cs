using System.Globalization;
using System.Net;
using Mitos.Engine;
using Mitos.Server.Observability;
using Mitos.Server.Tls;

namespace Mitos.Server;

/// <summary>Configuration of the daemon: command line over environment over defaults.</summary>
/// <param name="Engine">The engine's.</param>
/// <param name="Listen">Loopback address and port of HTTP.</param>
/// <param name="Task">What to do.</param>
/// <param name="Domain">Where sandboxes are reached by host name, without a port; null: nowhere.</param>
/// <param name="DomainPort">The port that clients use there; null: that of HTTPS.</param>
/// <param name="Tls">How that domain is served by HTTPS; null: somebody else does it, or nobody.</param>
/// <param name="Database">Connection string of PostgreSQL; null: SQLite in the state directory.</param>
/// <param name="Log">How to write the log.</param>
internal sealed record ServerOptions(EngineOptions Engine, string Listen, ServerTask Task, string? Domain, int? DomainPort, TlsOptions? Tls, string? Database, LogFormat Log)
{
    public const string Usage = """
        mitosd: the daemon of Mitos. Usually started by `mitos up`.
          --state DIR      templates, disks, journals, keys     MITOS_STATE      /var/lib/mitos
          --run DIR        sockets                              MITOS_RUN        /run/mitos
          --cache DIR      kernel and root file systems         MITOS_CACHE      /var/cache/mitos
          --guest-dir DIR  where mitos-guest is                 MITOS_GUEST_DIR  beside mitosd
          --listen A:P     HTTP, loopback only                  MITOS_LISTEN     127.0.0.1:7070
          --domain D[:P]   sandboxes are at PORT-ID.D, the API  MITOS_DOMAIN     none
                           at api.D; P: the port for clients, default that of --tls-listen
          --tls-listen A:P HTTPS of the domain, loopback only;  MITOS_TLS_LISTEN 127.0.0.1:7443
                           none: something before mitosd does it
          --tls-cert FILE  PEM: a certificate for *.D           MITOS_TLS_CERT   signed by STATE/tls/ca.pem,
          --tls-key FILE   PEM: its key                         MITOS_TLS_KEY    which Mitos makes
          --database C     connection string of PostgreSQL      MITOS_DATABASE   SQLite, mitos.db in the state directory
          --vmm V          auto, firecracker or qemu            MITOS_VMM        auto
          --accel A        auto, kvm or tcg                     MITOS_ACCEL      auto
          --firecracker P  Firecracker's binary                 MITOS_FIRECRACKER  /usr/local/bin/firecracker
          --log-format F   text or json (one object a line)     MITOS_LOG_FORMAT text
          --warm N         shells kept ready per template       MITOS_WARM       4
          --disk-rate N    MiB/s that a sandbox may read from   MITOS_DISK_RATE  0: any
                           the disk, and as many written
          --disk-ops N     operations/s, likewise               MITOS_DISK_OPS   0: any
          --probe-host     print what this host can do, as JSON, and end
          --self-test      test whether the VMM forks safely here, a line of JSON for each check, and end
        """;

    /// <summary>The unix socket of the local command line.</summary>
    public string Socket => Path.Combine(Engine.RunDirectory, "mitosd.sock");

    /// <exception cref="ArgumentException">An option that is unknown or makes no sense.</exception>
    public static ServerOptions Parse(string[] args)
    {
        var defaults = new EngineOptions();
        var values = new Dictionary<string, string>();
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] is "--probe-host" or "--self-test")
                values[args[i]] = "";
            else if (args[i] is "--state" or "--run" or "--cache" or "--guest-dir" or "--listen" or "--domain" or "--tls-listen" or "--tls-cert" or "--tls-key" or "--database" or "--vmm" or "--accel" or "--firecracker" or "--warm" or "--log-format" or "--disk-rate" or "--disk-ops" && i + 1 < args.Length)
                values[args[i]] = args[++i];
            else
                throw new ArgumentException($"mitosd does not know '{args[i]}', or its value is missing.");
        }
        var warm = Value("--warm", "MITOS_WARM", "4");
        var engine = defaults with
        {
            StateDirectory = Path.GetFullPath(Value("--state", "MITOS_STATE", defaults.StateDirectory)),
            RunDirectory = Path.GetFullPath(Value("--run", "MITOS_RUN", defaults.RunDirectory)),
            CacheDirectory = Path.GetFullPath(Value("--cache", "MITOS_CACHE", defaults.CacheDirectory)),
            GuestDirectory = Path.GetFullPath(Value("--guest-dir", "MITOS_GUEST_DIR", defaults.GuestDirectory)),
            Vmm = Value("--vmm", "MITOS_VMM", defaults.Vmm),
            Firecracker = Path.GetFullPath(Value("--firecracker", "MITOS_FIRECRACKER", defaults.Firecracker)),
            Accelerator = Value("--accel", "MITOS_ACCEL", defaults.Accelerator),
            WarmShells = int.TryParse(warm, out var shells) && shells is >= 0 and <= 64 ? shells : throw new ArgumentException($"--warm must be 0 to 64, not '{warm}'."),
            DiskMiBPerSecond = Number("--disk-rate", "MITOS_DISK_RATE"),
            DiskOperationsPerSecond = Number("--disk-ops", "MITOS_DISK_OPS"),
        };
        var listen = Value("--listen", "MITOS_LISTEN", "127.0.0.1:7070");
        Loopback("--listen", listen, "127.0.0.1:7070");
        var (domain, port) = DomainOption.Parse(Value("--domain", "MITOS_DOMAIN", ""));
        var tls = domain is null ? null : ParseTls();
        return new ServerOptions(engine, listen, values.ContainsKey("--probe-host") ? ServerTask.ProbeHost : values.ContainsKey("--self-test") ? ServerTask.SelfTest : ServerTask.Serve,
            domain, port ?? tls?.Listen.Port, tls,
            Value("--database", "MITOS_DATABASE", "") is { Length: > 0 } database ? database : null,
            Value("--log-format", "MITOS_LOG_FORMAT", "text") switch
            {
                "text" => LogFormat.Text,
                "json" => LogFormat.Json,
                var other => throw new ArgumentException($"--log-format must be text or json, not '{other}'."),
            });

        TlsOptions? ParseTls()
        {
            var (at, certificate, key) = (Value("--tls-listen", "MITOS_TLS_LISTEN", "127.0.0.1:7443"), Value("--tls-cert", "MITOS_TLS_CERT", ""), Value("--tls-key", "MITOS_TLS_KEY", ""));
            if (certificate.Length == 0 != (key.Length == 0))
                throw new ArgumentException("--tls-cert and --tls-key belong together: give both, or neither.");
            if (at == "none")
                return null;
            var endpoint = Loopback("--tls-listen", at, "127.0.0.1:7443, or none");
            return certificate.Length == 0 ? new TlsOptions(endpoint) : new TlsOptions(endpoint, Path.GetFullPath(certificate), Path.GetFullPath(key));
        }

        int Number(string option, string variable) =>
            Value(option, variable, "0") is var text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? number : throw new ArgumentException($"{option} must be a whole number, 0 for no limit, not '{text}'.");

        string Value(string option, string variable, string fallback) =>
            values.GetValueOrDefault(option) ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : fallback);
    }

    private static IPEndPoint Loopback(string option, string value, string example) =>
        IPEndPoint.TryParse(value, out var endpoint) && IPAddress.IsLoopback(endpoint.Address) && endpoint.Port != 0
            ? endpoint : throw new ArgumentException($"{option} must be a loopback address with a port, such as {example}, not '{value}'.");
}

/// <summary>What the program is to do.</summary>
internal enum ServerTask
{
    /// <summary>Serve until it is told to end.</summary>
    Serve,

    /// <summary>Print what the host can do.</summary>
    ProbeHost,

    /// <summary>Test whether the VMM forks safely.</summary>
    SelfTest,
}
