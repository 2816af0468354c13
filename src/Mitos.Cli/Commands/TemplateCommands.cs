using System.CommandLine;
using System.Formats.Tar;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>template build, ls, rm.</summary>
internal static class TemplateCommands
{
    public static Command Make() => new("template", "Build, list and remove templates") { Build(), List(), Remove() };

    /// <summary>Builds and shows progress: each step, and behind it the last line of its output where a person looks.</summary>
    public static async Task<TemplateBody> BuildAsync(MitosClient client, BuildTemplateRequest request, CancellationToken cancellationToken)
    {
        TemplateBody? built = null;
        await foreach (var next in client.BuildTemplateAsync(request, cancellationToken))
        {
            built = next.Template ?? built;
            if (next.Message is not null && !next.Output)
                Output.Note($"[{next.Index}/{next.Count}] {next.Step}: {next.Message}");
            else if (next.Message is not null && !Console.IsErrorRedirected)
                Output.Note($"      {next.Message}");
        }
        return built!;
    }

    private static Command Build()
    {
        var name = new Argument<string>("NAME") { Description = "Name of the template; `base` is the built-in one" };
        var from = Names.Template(new Option<string?>("--from") { Description = "Template to build on (default: base)" });
        var run = new Option<string[]>("--run") { Description = "Shell command, run as root; may be repeated" };
        var copy = new Option<string[]>("--copy") { Description = "SOURCE:DIRECTORY, a file or directory of this machine; copied before the commands run" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE for its sandboxes" };
        var start = new Option<string?>("--start") { Description = "Command that is left running" };
        var ready = new Option<string?>("--ready") { Description = "Command that must succeed before it is frozen" };
        var cpu = new Option<int?>("--cpu") { Description = "Virtual cpus" };
        var memory = new Option<int?>("--memory") { Description = "Memory in MiB" };
        var noCache = new Option<bool>("--no-cache") { Description = "Build also when nothing has changed" };
        return new Command("build", "Build a template, frozen while it runs\n  mitos template build web --from base --run 'apt-get update && apt-get install -y nginx' --start nginx --ready 'curl -sf localhost'")
            { name, from, run, copy, env, start, ready, cpu, memory, noCache }.Runs(async (client, result, json, cancellationToken) =>
        {
            var steps = (result.GetValue(copy) ?? []).Select(Copy).Concat((result.GetValue(run) ?? []).Select(command => new BuildStepBody { Run = command })).ToList();
            var built = await BuildAsync(client, new BuildTemplateRequest
            {
                Name = result.GetValue(name), From = result.GetValue(from), Steps = steps, Env = CommandRunner.Pairs(result.GetValue(env)), Start = result.GetValue(start),
                Ready = result.GetValue(ready), CpuCount = result.GetValue(cpu), MemoryMiB = result.GetValue(memory), NoCache = result.GetValue(noCache),
            }, cancellationToken);
            if (json)
                Output.Json(built, ContractsJson.Default.TemplateBody);
            else
                Output.Line($"{built.Name}: {Output.MiB(built.MemoryBytes)} MiB of memory, {Output.MiB(built.DiskBytes)} MiB of disk");
            return ExitCode.Ok;
        });
    }

    private static BuildStepBody Copy(string text)
    {
        var at = text.LastIndexOf(':');
        if (at <= 0 || !text[(at + 1)..].StartsWith('/'))
            throw new ArgumentException($"'{text}' is not of the form SOURCE:DIRECTORY with an absolute directory.");
        var (source, target) = (Path.GetFullPath(text[..at]), text[(at + 1)..]);
        using var archive = new MemoryStream();
        if (Directory.Exists(source))
        {
            TarFile.CreateFromDirectory(source, archive, includeBaseDirectory: false);
        }
        else
        {
            using var writer = new TarWriter(archive, leaveOpen: true);
            writer.WriteEntry(source, Path.GetFileName(source));
        }
        return new BuildStepBody { CopyTo = target, CopyTarBase64 = Convert.ToBase64String(archive.ToArray()) };
    }

    private static Command List() => new Command("ls", "List templates").Runs(async (client, _, json, cancellationToken) =>
    {
        var all = await client.ListTemplatesAsync(cancellationToken);
        if (json)
            Output.Json(all, ContractsJson.Default.ListTemplateBody);
        else
            Output.Table(["name", "from", "cpu", "memory MiB", "image MiB", "disk MiB", "age", "sandboxes"], all.Select(template => new[]
            {
                template.Name, template.From ?? "-", $"{template.CpuCount}", $"{template.MemoryMiB}", Output.MiB(template.MemoryBytes), Output.MiB(template.DiskBytes),
                Output.Age(template.CreatedAt), $"{template.Sandboxes}",
            }));
        return ExitCode.Ok;
    });

    private static Command Remove()
    {
        var names = Names.Templates();
        return new Command("rm", "Remove templates that nothing uses") { names }.Runs(async (client, result, json, cancellationToken) =>
        {
            foreach (var name in result.GetRequiredValue(names))
            {
                await client.RemoveTemplateAsync(name, cancellationToken);
                if (!json)
                    Output.Line(name);
            }
            if (json)
                Output.Json(result.GetRequiredValue(names));
            return ExitCode.Ok;
        });
    }
}
