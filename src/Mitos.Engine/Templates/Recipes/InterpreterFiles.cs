using System.Reflection;

namespace Mitos.Engine.Templates.Recipes;

/// <summary>The code interpreter (<c>src/Mitos.Interpreter</c>) as files of a guest.</summary>
internal static class InterpreterFiles
{
    public const string Start = "/usr/local/lib/mitos-interpreter/start";
    private const string Prefix = "interpreter/", Modules = "/usr/lib/python3/dist-packages/";

    // A context of its own: the default ones have run nothing yet when a sandbox finds them.
    private const string OneContext = """
        set -e
        api=http://127.0.0.1:49999
        id=$(curl -sf -X POST $api/contexts -d '{}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
        curl -sf $api/execute -d '{"code": "import matplotlib.pyplot as p; p.plot([1, 2]); p.show()", "context_id": "'$id'"}' | grep -q '"png"'
        curl -sf $api/contexts >/dev/null
        curl -sf -X DELETE $api/contexts/$id
        """;

    public static IReadOnlyList<string> WarmUp { get; } = [OneContext];

    public static IReadOnlyList<RecipeFile> Read()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(name => Place(name[Prefix.Length..], Content(assembly, name))).ToList();
    }

    private static RecipeFile Place(string name, byte[] content) => name switch
    {
        "start" => new RecipeFile(Start, 0x1ED, content),
        "fork-hook" => new RecipeFile("/etc/mitos/fork.d/50-interpreter", 0x1ED, content),
        _ => new RecipeFile(Modules + name, 0x1A4, content),
    };

    private static byte[] Content(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name)!;
        using var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }
}
