namespace Mitos.EndToEnd.Sdk;

/// <summary>E2B's official <c>@e2b/code-interpreter</c>, unmodified, against the template <c>code-interpreter-v1</c>.</summary>
public sealed class InterpreterTests(InterpreterDaemon daemon) : IClassFixture<InterpreterDaemon>
{
    public static TheoryData<string> Files => [.. SdkTests.FilesOf("interpreter")];

    [Theory]
    [MemberData(nameof(Files))]
    public Task The_code_interpreter_does_what_its_clients_expect(string file) => daemon.RunAsync(file, "@e2b/code-interpreter");
}
