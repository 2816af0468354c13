using Mitos.Engine.Templates;
using Mitos.Engine.Templates.Recipes;

namespace Mitos.Engine.Tests.Templates;

public sealed class RecipeTests
{
    [Theory]
    [InlineData("base", true)]
    [InlineData("code-interpreter-v1", true)]
    [InlineData("Base", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Built_in_templates_are_known_by_their_exact_names(string? name, bool known) => Assert.Equal(known, BuiltInTemplates.Contains(name));

    [Fact]
    public void All_that_a_recipe_is_made_of_is_in_its_key_and_only_packages_are_in_that_of_its_root_file_system()
    {
        var recipe = BuiltInTemplates.CodeInterpreter;
        Recipe[] others =
        [
            recipe with { Packages = [.. recipe.Packages, "gnuplot"] },
            recipe with { Customize = recipe.Customize + "true\n" },
            recipe with { Files = [.. recipe.Files, new RecipeFile("/etc/more", 0x1A4, [])] },
            recipe with { Files = [.. recipe.Files.Skip(1), recipe.Files[0] with { Mode = 0x1FF }] },
            recipe with { StartCommand = "sleep 1" },
            recipe with { ReadyCommand = "true" },
            recipe with { WarmUp = ["true"] },
        ];
        Assert.Equal(others.Length + 1, others.Append(recipe).Select(one => one.Key).Distinct().Count());
        Assert.Equal([false, false, true, true, true, true, true], others.Select(one => RootFileSystem.KeyOf(one) == RootFileSystem.KeyOf(recipe)));
    }

    [Fact]
    public void The_interpreter_is_there_with_its_hook_and_its_start_that_can_be_executed()
    {
        var files = BuiltInTemplates.CodeInterpreter.Files.ToDictionary(file => file.Path);
        Assert.Equal(0x1ED, files["/etc/mitos/fork.d/50-interpreter"].Mode);
        Assert.Equal(0x1ED, files[InterpreterFiles.Start].Mode);
        Assert.NotEmpty(files["/usr/lib/python3/dist-packages/mitos_interpreter/__main__.py"].Content);
        Assert.NotEmpty(files["/usr/lib/python3/dist-packages/mitos_interpreter/javascript/kernel.js"].Content);
        Assert.DoesNotContain(files.Keys, path => path.Contains("__pycache__", StringComparison.Ordinal));
    }
}
