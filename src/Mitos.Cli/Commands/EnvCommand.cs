using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>env: what points E2B's SDKs at this daemon.</summary>
internal static class EnvCommand
{
    private const string OwnPrefix = "mitos_", TheirPrefix = "e2b_";

    public static Command Make() => new Command("env", "Print the variables that point E2B's SDKs at this daemon\n  eval \"$(mitos env)\"").Runs(async (client, _, json, cancellationToken) =>
    {
        var variables = Variables(await client.GetEndpointsAsync(cancellationToken));
        if (json)
        {
            Output.Json(variables, CliJson.Default.DictionaryStringString);
            return ExitCode.Ok;
        }
        foreach (var (name, value) in variables)
            Output.Line($"export {name}={Quote(value)}");
        if (!Console.IsOutputRedirected)
            Output.Note("for this shell: eval \"$(mitos env)\"");
        if (variables.TryGetValue("E2B_DOMAIN", out var domain))
            Output.Note($"hosts below {domain} must resolve to this daemon, such as 3000-ID.{domain}");
        return ExitCode.Ok;
    });

    private static Dictionary<string, string> Variables(EndpointsBody endpoints)
    {
        var variables = new Dictionary<string, string> { ["E2B_API_KEY"] = Key() };
        if (Settings.Url is null && endpoints.DomainUrl is { } secure)
        {
            variables["E2B_API_URL"] = secure; // they would find it by the domain; a shell may have another one from before
        }
        else
        {
            var url = (Settings.Url ?? endpoints.Url)?.TrimEnd('/') ?? throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition,
                "The daemon serves no HTTP, and E2B's SDKs know nothing else.", "Start it with MITOS_LISTEN set, such as 127.0.0.1:7070."));
            variables["E2B_API_URL"] = url;
            variables["E2B_SANDBOX_URL"] = url;
        }
        if (endpoints.Domain is { } domain)
            variables["E2B_DOMAIN"] = domain;
        if (endpoints.CertificateAuthority is { } authority)
            variables["NODE_EXTRA_CA_CERTS"] = authority;
        return variables;
    }

    // Clients of E2B's insist on how a key begins; those of earlier versions began otherwise.
    private static string Key()
    {
        var key = Settings.ReadKey() ?? throw new MitosException(new ErrorBody(ErrorCodes.NotFound, $"There is no API key: MITOS_API_KEY is not set, and {Settings.KeyFile} cannot be read.",
            "Make one with `mitos keys create NAME`, and set MITOS_API_KEY to it."));
        return key.StartsWith(OwnPrefix, StringComparison.Ordinal) ? TheirPrefix + key[OwnPrefix.Length..] : key;
    }

    private static string Quote(string value) => $"'{value.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
