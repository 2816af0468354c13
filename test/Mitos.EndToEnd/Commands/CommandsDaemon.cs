using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

/// <summary>The one daemon of all tests of commands, and a sandbox that they share where they change nothing that matters to another.</summary>
public sealed class CommandsDaemon : Daemon
{
    /// <summary>Id of a running sandbox with the name <c>shared</c>.</summary>
    public string Shared { get; private set; } = "";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Shared = (await MitosAsync("create", "--name", "shared", "--env", "FLAVOUR=plain")).Ok().Line;
    }
}

[CollectionDefinition(Name)]
public sealed class CommandsCollection : ICollectionFixture<CommandsDaemon>
{
    public const string Name = "commands";
}
