using Mitos.Engine.Errors;

namespace Mitos.Engine.Tests.Errors;

/// <summary>What every refusal must be: of the right class, a sentence that names its subject, and a next step.</summary>
internal static class Refusal
{
    public static SandboxException Check(ErrorCode code, string subject, Action action) => Check(code, subject, Assert.Throws<SandboxException>(action));

    public static SandboxException Check(ErrorCode code, string subject, SandboxException error)
    {
        Assert.Equal(code, error.Code);
        Assert.Contains(subject, error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.TrimEnd()[^1] is '.' or '!' or ')' || error.InnerException is not null, $"no sentence: {error.Message}");
        Assert.True(error.Remedy.Trim().Length > 5, $"no remedy: {error.Message}");
        return error;
    }
}
