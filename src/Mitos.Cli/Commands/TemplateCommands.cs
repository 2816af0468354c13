using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>template build, ls, publish, unpublish, rm.</summary>
internal static class TemplateCommands
{
    public static Command Make() => new("template", "Build, list, publish and remove templates") { Build(), List(), Publish(), Unpublish(), Remove() };

    private static Command Build()
    {
        var name = new Argument<string>("NAME") { Description = "Name of the template; `base` and `code-interpreter-v1` are built in" };
        var from = new Option<string?>("--from") { Description = "Template to build on (default: base)" }.CompletesTemplates();
        var run = new Option<string[]>("--run") { Description = "Shell command, run as root; may be repeated" };
        var copy = new Option<string[]>("--copy") { Description = "SOURCE:DIRECTORY, a file or directory of this host, copied in first; may be repeated" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for its sandboxes; may be repeated" };
        var start = new Option<string?>("--start") { Description = "Command that is left running" };
        var ready = new Option<string?>("--ready") { Description = "Command that must succeed, within 60 s, before it is frozen" };
        var cpu = new Option<int?>("--cpu") { Description = "Virtual cpus, 1 to 32 (default: the parent's)" };
        var memory = new Option<int?>("--memory") { Description = "Memory in MiB, 128 to 65536 (default: the parent's)" };
        var noCache = new Option<bool>("--no-cache") { Description = "Build also when nothing has changed" };
        return new Command("build", "Build a template, frozen while it runs\n  mitos template build web --run 'apt-get update && apt-get install -y nginx' \\\n    --start 'sudo nginx' --ready 'curl -sf localhost'")
            { name, from, run, copy, env, start, ready, cpu, memory, noCache }.Runs(async (client, result, json, cancellationToken) =>
        {
            var steps = (result.GetValue(copy) ?? []).Select(TemplateBuild.Copy).Concat((result.GetValue(run) ?? []).Select(command => new BuildStepBody { Run = command })).ToList();
            var built = await TemplateBuild.RunAsync(client, new BuildTemplateRequest
            {
                Name = result.GetValue(name),
                From = result.GetValue(from),
                Steps = steps,
                Env = CommandRunner.Pairs(result.GetValue(env)),
                Start = result.GetValue(start),
                Ready = result.GetValue(ready),
                CpuCount = result.GetValue(cpu),
                MemoryMiB = result.GetValue(memory),
                NoCache = result.GetValue(noCache),
            }, false, cancellationToken);
            if (json)
                Output.Json(built, ContractsJson.Default.TemplateBody);
            else
                Output.Line($"{built.Name}: {Output.MiB(built.MemoryBytes)} MiB of memory, {Output.MiB(built.DiskBytes)} MiB of disk");
            return ExitCode.Ok;
        });
    }

    private static Command List() => new Command("ls", "List templates").Runs(async (client, _, json, cancellationToken) =>
    {
        var all = await client.ListTemplatesAsync(cancellationToken);
        if (json)
            Output.Json(all, ContractsJson.Default.ListTemplateBody);
        else
            Output.Table(["name", "from", "cpu", "memory MiB", "image MiB", "disk MiB", "age", "sandboxes", "public"], all.Select(template => new[]
            {
                template.Name, template.From ?? "-", $"{template.CpuCount}", $"{template.MemoryMiB}", Output.MiB(template.MemoryBytes), Output.MiB(template.DiskBytes),
                Output.Age(template.CreatedAt), $"{template.Sandboxes}", template.Public ? "yes" : "no",
            }));
        return ExitCode.Ok;
    });

    private static Command Publish() => Visibility("publish", "Let all teams use templates of this one\n  mitos template publish web", isPublic: true);

    private static Command Unpublish() => Visibility("unpublish", "Keep templates for the team that built them; sandboxes that others made of them live on", isPublic: false);

    private static Command Visibility(string verb, string description, bool isPublic)
    {
        var names = Arguments.SeveralTemplates();
        return new Command(verb, description) { names }.Runs(async (client, result, json, cancellationToken) =>
        {
            var named = result.GetRequiredValue(names);
            var changed = await Several.RunAsync($"{verb}ing {Output.Count(named.Length, "template")}", named, (name, token) => client.SetTemplateVisibilityAsync(name, isPublic, token), cancellationToken);
            if (json)
                Output.Json(changed.Select(one => new ChangedTemplateBody(one.Name, one.Result, one.Error)).ToList(), CliJson.Default.ListChangedTemplateBody);
            foreach (var (name, _, error) in json ? [] : changed)
            {
                if (error is not null)
                    Output.Failure(error);
                else
                    Output.Line(name);
            }
            return Several.Status(changed.Select(one => one.Error).ToList());
        });
    }

    private static Command Remove()
    {
        var names = Arguments.SeveralTemplates();
        return new Command("rm", "Remove templates that nothing uses") { names }.Runs(async (client, result, json, cancellationToken) =>
        {
            var removed = new List<RemovedBody>();
            foreach (var name in result.GetRequiredValue(names))
                removed.Add(await TryRemoveAsync(client, name, cancellationToken));
            return RemoveCommand.Report(removed, json);
        });
    }

    private static async Task<RemovedBody> TryRemoveAsync(MitosClient client, string name, CancellationToken cancellationToken)
    {
        try
        {
            await client.RemoveTemplateAsync(name, cancellationToken);
            return new RemovedBody(name, true, null);
        }
        catch (MitosException e)
        {
            return new RemovedBody(name, false, CommandRunner.Describe(e));
        }
    }
}
