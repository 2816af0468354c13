namespace Mitos.EndToEnd.Sdk;

/// <summary>E2B's official packages, unmodified, against a server of ours: the files of test/E2B.Sdk, whose tests have the titles of the official ones.</summary>
public sealed class SdkTests(SdkDaemon daemon) : IClassFixture<SdkDaemon>
{
    /// <summary>Names in package.json: the latest release, and those that use older routes.</summary>
    private static readonly string[] Packages = ["e2b", "e2b-2.45", "e2b-2.35"];

    public static TheoryData<string, string> CoreFiles => [.. from package in Packages from file in FilesOf("core") select (package, file)];

    public static TheoryData<string> LatestFiles => [.. FilesOf("latest")];

    public static TheoryData<string> DomainFiles => [.. FilesOf("domain")];

    public static TheoryData<string> CommandLineFiles => [.. FilesOf("cli")];

    [Theory]
    [MemberData(nameof(CoreFiles))]
    public Task What_every_release_needs_is_served(string package, string file) => daemon.RunAsync(file, package);

    [Theory]
    [MemberData(nameof(LatestFiles))]
    public Task What_the_latest_release_can_do_is_served(string file) => daemon.RunAsync(file);

    [Theory]
    [MemberData(nameof(DomainFiles))]
    public Task What_takes_host_names_and_TLS_is_served(string file) => daemon.RunByDomainAsync(file);

    [Theory]
    [MemberData(nameof(CommandLineFiles))]
    public Task What_their_command_line_asks_for_is_served(string file) => daemon.RunAsync(file, "@e2b/cli");

    internal static IEnumerable<string> FilesOf(string folder) => Directory.EnumerateFiles(Path.Combine(SdkDaemon.Tests, folder), "*.test.mjs").Order()
        .Select(path => Path.GetRelativePath(SdkDaemon.Tests, path));
}
