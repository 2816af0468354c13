using System.Diagnostics;
using System.IO.Compression;

namespace Mitos.Server.Tests.Clients;

/// <summary>The SDK as others get it.</summary>
public sealed class PackageTests(ServerFixture server)
{
    /// <summary>Packs, compiles the example of the package's README against the packages alone, and runs it against the real server.</summary>
    [Fact]
    public async Task The_package_has_its_README_and_the_example_in_it_compiles_and_runs()
    {
        await server.EnsureBaseAsync();
        var scratch = Directory.CreateTempSubdirectory("mitos-package-").FullName;
        try
        {
            var packages = Path.Combine(scratch, "packages");
            foreach (var project in new[] { "Mitos.Contracts", "Mitos.Client" })
                await DotnetAsync(scratch, "pack", Path.Combine(Checkout.Root, "src", project), "-c", "Release", "-o", packages, $"-p:ArtifactsPath={scratch}/artifacts", "--nologo", "-v", "quiet");
            var readme = Check(Path.Combine(packages, "Mitos.Client.0.1.0.nupkg"), "Mitos.Client");
            Check(Path.Combine(packages, "Mitos.Contracts.0.1.0.nupkg"), "Mitos.Contracts");

            var example = readme.Split("```csharp")[1].Split("```")[0];
            Assert.Contains("MitosClient.Local()", example, StringComparison.Ordinal);
            var program = Path.Combine(scratch, "example");
            Directory.CreateDirectory(program);
            await File.WriteAllTextAsync(Path.Combine(program, "Program.cs"), example.Replace("MitosClient.Local()", $"MitosClient.Local(\"{server.Socket}\")", StringComparison.Ordinal));
            await File.WriteAllTextAsync(Path.Combine(program, "example.csproj"), """
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable><TreatWarningsAsErrors>true</TreatWarningsAsErrors></PropertyGroup>
                  <ItemGroup><PackageReference Include="Mitos.Client" Version="0.1.0" /></ItemGroup>
                </Project>
                """);
            await DotnetAsync(program, "build", "--source", packages, $"-p:RestorePackagesPath={scratch}/restored", "-o", $"{program}/out", "--nologo", "-v", "quiet");
            var output = await DotnetAsync(program, $"{program}/out/example.dll");
            Assert.Equal("warm child 0\nwarm child 1\nwarm child 2\nwarm child 3\n1: SHOUT\nended with 0\nrunning, forked from the source\n", output);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    // The README, for the client's.
    private static string Check(string package, string name)
    {
        using var archive = ZipFile.OpenRead(package);
        var files = archive.Entries.Select(entry => entry.FullName).ToList();
        Assert.Contains($"lib/net10.0/{name}.dll", files);
        Assert.Contains($"lib/net10.0/{name}.xml", files);
        var manifest = Read($"{name}.nuspec");
        Assert.Contains("<license type=\"expression\">Apache-2.0</license>", manifest, StringComparison.Ordinal);
        Assert.Contains("<description>The ", manifest, StringComparison.Ordinal);
        if (name != "Mitos.Client")
            return "";
        Assert.Contains("<readme>README.md</readme>", manifest, StringComparison.Ordinal);
        Assert.Contains("id=\"Mitos.Contracts\"", manifest, StringComparison.Ordinal);
        return Read("README.md");

        string Read(string entry)
        {
            using var reader = new StreamReader(archive.GetEntry(entry)!.Open());
            return reader.ReadToEnd();
        }
    }

    private static async Task<string> DotnetAsync(string directory, params string[] arguments)
    {
        using var dotnet = Process.Start(new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = dotnet.StandardOutput.ReadToEndAsync();
        var errors = await dotnet.StandardError.ReadToEndAsync();
        await dotnet.WaitForExitAsync(ServerFixture.Soon);
        Assert.True(dotnet.ExitCode == 0, $"dotnet {string.Join(' ', arguments)} ended with {dotnet.ExitCode}:\n{await output}{errors}");
        return await output;
    }
}
