using Mitos.Engine.Machines;

namespace Mitos.Engine.Templates.Recipes;

/// <summary>The templates that need no parent: <c>base</c>, and <c>code-interpreter-v1</c> as E2B's SDKs name it.</summary>
public static class BuiltInTemplates
{
    internal static Recipe Base { get; } = new()
    {
        Name = "base",
        Takes = "a minute or two",
        Packages = ["python3", "nodejs", "npm", "git", "curl", "ca-certificates", "sudo", "procps", "iproute2", "build-essential", "attr", "libnss-myhostname"],
        Shape = new MachineShape(1, 512, RootFileSystem.DiskMiB),
    };

    internal static Recipe CodeInterpreter { get; } = new()
    {
        Name = "code-interpreter-v1",
        Takes = "some minutes",
        Packages = [.. Base.Packages, "python3-ipykernel", "python3-jupyter-client", "python3-matplotlib", "python3-numpy", "python3-pandas", "python3-pil"],
        // The first program that draws looks at all fonts: long in a guest that is emulated.
        Customize = """

            chroot "$1" env HOME=/root python3 -c 'import matplotlib.font_manager'
            mkdir -p "$1/home/user/.cache"
            cp -r "$1/root/.cache/matplotlib" "$1/home/user/.cache/"
            chroot "$1" chown -R user:user /home/user/.cache
            """,
        Files = InterpreterFiles.Read(),
        StartCommand = "exec " + InterpreterFiles.Start,
        ReadyCommand = "curl -sf --max-time 5 http://127.0.0.1:49999/health",
        WarmUp = InterpreterFiles.WarmUp,
        Shape = new MachineShape(1, 1024, RootFileSystem.DiskMiB),
    };

    /// <summary>Whether a template of this name can be built without a parent.</summary>
    public static bool Contains(string? name) => TryGet(name) is not null;

    internal static Recipe? TryGet(string? name) => name switch
    {
        "base" => Base,
        "code-interpreter-v1" => CodeInterpreter,
        _ => null,
    };
}
