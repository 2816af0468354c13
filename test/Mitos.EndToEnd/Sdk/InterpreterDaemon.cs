using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Sdk;

/// <summary>A daemon that also has the template <c>code-interpreter-v1</c>. Where the cache lacks its root file system, making it takes minutes.</summary>
public sealed class InterpreterDaemon : SdkDaemon
{
    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(20);

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (await MitosAsync("create", "--template", "code-interpreter-v1")).Refused(3, "code-interpreter-v1", "mitos template build code-interpreter-v1");
        (await Runner.RunAsync(Programs.Cli, ["template", "build", "code-interpreter-v1"], limit: BuildLimit)).Ok();
    }
}
