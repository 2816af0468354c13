using System.CommandLine;
using Mitos.Client;

namespace Mitos.Cli.Commands;

/// <summary>Arguments that name things of the daemon; a shell's completion asks it which there are.</summary>
internal static class Names
{
    // Nobody waits longer for a key.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static Argument<string> Sandbox() => Completed(new Argument<string>("ID") { Description = "Id, name, or the beginning of an id" }, SandboxesAsync);

    public static Argument<string[]> Sandboxes() => Completed(new Argument<string[]>("ID") { Description = "Ids or names", Arity = ArgumentArity.ZeroOrMore }, SandboxesAsync);

    public static Argument<string[]> Templates() => Completed(new Argument<string[]>("NAME") { Description = "Names of templates", Arity = ArgumentArity.OneOrMore }, TemplatesAsync);

    public static Option<T> Template<T>(Option<T> option)
    {
        option.CompletionSources.Add(_ => Ask(TemplatesAsync));
        return option;
    }

    private static Argument<T> Completed<T>(Argument<T> argument, Func<MitosClient, CancellationToken, Task<IEnumerable<string>>> names)
    {
        argument.CompletionSources.Add(_ => Ask(names));
        return argument;
    }

    private static async Task<IEnumerable<string>> SandboxesAsync(MitosClient client, CancellationToken cancellationToken) =>
        (await client.ListAsync(false, cancellationToken)).SelectMany(sandbox => sandbox.Name is { } name ? new[] { name, sandbox.Id } : [sandbox.Id]);

    private static async Task<IEnumerable<string>> TemplatesAsync(MitosClient client, CancellationToken cancellationToken) =>
        (await client.ListTemplatesAsync(cancellationToken)).Select(template => template.Name);

    // System.CommandLine asks synchronously. A completion that cannot be had is none.
    private static IEnumerable<string> Ask(Func<MitosClient, CancellationToken, Task<IEnumerable<string>>> names)
    {
        using var limit = new CancellationTokenSource(Patience);
        using var client = Settings.Connect();
        try
        {
            return names(client, limit.Token).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is MitosException or OperationCanceledException)
        {
            return [];
        }
    }
}
