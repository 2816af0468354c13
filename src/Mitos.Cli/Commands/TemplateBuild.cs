using System.Diagnostics;
using System.Globalization;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>Builds a template and shows how far it is; packs what is copied into it.</summary>
internal static class TemplateBuild
{
    /// <summary>Most that one step copies: it travels in the request.</summary>
    private const long MaxCopy = 256L << 20;

    /// <summary>Names each step; a person also sees its time and the last line of its output.</summary>
    /// <param name="client">Of the daemon.</param>
    /// <param name="request">What to build.</param>
    /// <param name="quietWhenCached">Whether to say nothing when there is nothing to do.</param>
    /// <param name="cancellationToken">Ends the build; nothing is kept of it.</param>
    public static async Task<TemplateBody> RunAsync(MitosClient client, BuildTemplateRequest request, bool quietWhenCached, CancellationToken cancellationToken)
    {
        string detail = "", step = "";
        var work = FollowAsync();
        await Waiting.ShowAsync($"building the template {request.Name}", work, () => detail.Length > 0 ? $"{step}: {detail}" : step);
        return await work;

        async Task<TemplateBody> FollowAsync()
        {
            var (clock, quiet) = (Stopwatch.StartNew(), quietWhenCached);
            var unsaid = new List<string>();
            await foreach (var next in client.BuildTemplateAsync(request, cancellationToken))
            {
                if (next.Template is { } built)
                {
                    if (quietWhenCached && !quiet)
                        Output.Note(string.Create(CultureInfo.InvariantCulture, $"the template {built.Name} is ready after {clock.Elapsed.TotalSeconds:F0} s"));
                    return built;
                }
                (step, detail) = (next.Output ? step : $"step {next.Index} of {next.Count}, {next.Step}", next.Output ? Shortened(next.Message) : "");
                if (quiet && next.Step == "cached")
                    continue;
                if (!next.Output)
                    unsaid.Add($"[{next.Index}/{next.Count}] {next.Step}: {next.Message}");
                if (quiet && !next.Output && unsaid.Count == 1)
                    continue; // the first step looks whether there is anything to do
                if (quiet)
                    Output.Note($"building the template {request.Name}, which sandboxes are made of; the next start finds it built");
                quiet = false;
                unsaid.ForEach(Output.Note);
                unsaid.Clear();
            }
            throw new InvalidOperationException("The stream of a build ends with a template or a failure.");
        }
    }

    /// <summary>The step that copies <paramref name="text"/>, SOURCE:DIRECTORY.</summary>
    /// <exception cref="ArgumentException">It has another form, or is too large.</exception>
    public static BuildStepBody Copy(string text)
    {
        var at = text.LastIndexOf(':');
        if (at <= 0 || !text[(at + 1)..].StartsWith('/'))
            throw new ArgumentException($"'{text}' is not of the form SOURCE:DIRECTORY with an absolute directory.");
        var (source, target) = (Path.GetFullPath(text[..at]), text[(at + 1)..]);
        if (SizeOf(source) is > MaxCopy and var size)
            throw new ArgumentException($"'{text[..at]}' has {size >> 20} MiB, and one --copy carries at most {MaxCopy >> 20} MiB: fetch it in a --run step, or copy it in parts.");
        var archive = ReproducibleTar.Make(source);
        return new BuildStepBody { CopyTo = target, CopyTarBase64 = Convert.ToBase64String(archive) };
    }

    private static long SizeOf(string source) => Directory.Exists(source)
        ? new DirectoryInfo(source).EnumerateFiles("*", SearchOption.AllDirectories).Where(file => file.LinkTarget is null).Sum(file => file.Length)
        : File.Exists(source) ? new FileInfo(source).Length : throw new FileNotFoundException($"There is no '{source}' to copy.");

    private static string Shortened(string? line) => line is null ? "" : line.Length <= 60 ? line : line[..60] + "…";
}
