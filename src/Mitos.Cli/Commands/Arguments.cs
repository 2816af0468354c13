using System.CommandLine;
using System.CommandLine.Completions;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>Arguments and options that several commands have, with what a shell may complete them to.</summary>
internal static class Arguments
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static Argument<string> Sandbox() => new Argument<string>("ID") { Description = "Id, name, or the beginning of an id", HelpName = "ID" }.Completes(() => Sandboxes());

    public static Argument<string?> OptionalSandbox() =>
        new Argument<string?>("ID") { Description = "Id, name, or the beginning of an id", HelpName = "ID", Arity = ArgumentArity.ZeroOrOne }.Completes(() => Sandboxes());

    /// <param name="state">Only those in this state complete it; null: all.</param>
    /// <param name="arity">How many; null: any number.</param>
    public static Argument<string[]> SeveralSandboxes(string? state = null, ArgumentArity? arity = null) =>
        new Argument<string[]>("ID") { Description = "Ids, names, or beginnings of ids", Arity = arity ?? ArgumentArity.ZeroOrMore, HelpName = "ID" }.Completes(() => Sandboxes(state));

    public static Argument<string[]> SeveralSnapshots() =>
        new Argument<string[]>("SNAPSHOT") { Description = "Ids, names, or beginnings of ids of snapshots", Arity = ArgumentArity.OneOrMore, HelpName = "SNAPSHOT" }.Completes(Snapshots);

    public static Argument<string[]> SeveralKeys() =>
        new Argument<string[]>("ID") { Description = "Ids of keys, as `mitos keys ls` shows them", Arity = ArgumentArity.OneOrMore, HelpName = "ID" }.Completes(Keys);

    public static Option<string?> Snapshot(string description)
    {
        var snapshot = new Option<string?>("--snapshot") { Description = description, HelpName = "snapshot" };
        snapshot.CompletionSources.Add(_ => Snapshots());
        return snapshot;
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

    private static Argument<T> Completes<T>(this Argument<T> argument, Func<IEnumerable<CompletionItem>> source)
    {
        argument.CompletionSources.Add(_ => source());
        return argument;
    }

    private static IEnumerable<CompletionItem> Sandboxes(string? state = null) => Ask(async (client, cancellationToken) =>
        (await client.ListAsync(false, cancellationToken)).Where(sandbox => state is null || sandbox.State == state).SelectMany(sandbox => sandbox.Name is { } name ? [name, sandbox.Id] : new[] { sandbox.Id }));

    private static IEnumerable<CompletionItem> Templates() => Ask(async (client, cancellationToken) =>
        (await client.ListTemplatesAsync(cancellationToken)).Select(template => template.Name));

    private static IEnumerable<CompletionItem> Snapshots() => Ask(async (client, cancellationToken) =>
        (await client.ListSnapshotsAsync(null, cancellationToken)).SelectMany(snapshot => snapshot.Name is { } name ? [name, snapshot.Id] : new[] { snapshot.Id }));

    private static IEnumerable<CompletionItem> Keys() => Ask(async (client, cancellationToken) => (await client.ListKeysAsync(cancellationToken)).Select(key => key.Id));

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
