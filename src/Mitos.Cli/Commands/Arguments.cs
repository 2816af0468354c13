using System.CommandLine;
using System.CommandLine.Completions;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>Arguments and options that several commands have, with what a shell may complete them to.</summary>
internal static class Arguments
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static Argument<string> Sandbox()
    {
        var id = new Argument<string>("ID") { Description = "Id, name, or the beginning of an id", HelpName = "ID" };
        id.CompletionSources.Add(_ => Sandboxes());
        return id;
    }

    public static Argument<string[]> SeveralSandboxes()
    {
        var ids = new Argument<string[]>("ID") { Description = "Ids, names, or beginnings of ids", Arity = ArgumentArity.ZeroOrMore, HelpName = "ID" };
        ids.CompletionSources.Add(_ => Sandboxes());
        return ids;
    }

    /// <summary>A path here, or one in a sandbox.</summary>
    public static Argument<string> Path(string name)
    {
        var path = new Argument<string>(name) { Description = "A path here, or ID:PATH", HelpName = name };
        path.CompletionSources.Add(_ => Sandboxes().Select(item => new CompletionItem(item.Label + ":")));
        return path;
    }

    public static Argument<string[]> SeveralTemplates()
    {
        var names = new Argument<string[]>("NAME") { Description = "Names of templates", Arity = ArgumentArity.OneOrMore, HelpName = "NAME" };
        names.CompletionSources.Add(_ => Templates());
        return names;
    }

    public static Option<T> CompletesTemplates<T>(this Option<T> option)
    {
        option.HelpName = "template"; // else help lists what completes it
        option.CompletionSources.Add(_ => Templates());
        return option;
    }

    private static IEnumerable<CompletionItem> Sandboxes() => Ask(async (client, cancellationToken) =>
        (await client.ListAsync(false, cancellationToken)).SelectMany(sandbox => sandbox.Name is { } name ? [name, sandbox.Id] : new[] { sandbox.Id }));

    private static IEnumerable<CompletionItem> Templates() => Ask(async (client, cancellationToken) =>
        (await client.ListTemplatesAsync(cancellationToken)).Select(template => template.Name));

    // A shell that completes wants an answer, or none, soon.
    private static IEnumerable<CompletionItem> Ask(Func<MitosClient, CancellationToken, Task<IEnumerable<string>>> question)
    {
        using var client = Settings.Connect();
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            return question(client, limit.Token).GetAwaiter().GetResult().Select(text => new CompletionItem(text)).ToList();
        }
        catch (Exception e) when (e is MitosException or OperationCanceledException)
        {
            return [];
        }
    }
}
