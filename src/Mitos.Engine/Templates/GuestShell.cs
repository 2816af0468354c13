using System.Text;
using Mitos.Engine.Agent;

namespace Mitos.Engine.Templates;

/// <summary>Runs a command of a build in its machine.</summary>
internal static class GuestShell
{
    private const int MaxTail = 1000, MaxLines = 10;

    /// <param name="agent">Of the machine.</param>
    /// <param name="command">For a login shell.</param>
    /// <param name="user">Empty: the guest's own.</param>
    /// <param name="line">Takes its output line by line; null: nobody wants it.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>Its exit code, and the end of what it said.</returns>
    public static async Task<(int Code, string Tail)> RunAsync(AgentClient agent, string command, string user, Action<string>? line, CancellationToken cancellationToken)
    {
        await using var process = await agent.StartAsync(new ProcessSpec
        {
            Argv = ["/bin/bash", "-lc", command],
            User = user,
            Environment = new Dictionary<string, string> { ["DEBIAN_FRONTEND"] = "noninteractive" },
        }, cancellationToken);
        var tail = "";
        await foreach (var next in process.ReadAsync(cancellationToken))
        {
            var text = Encoding.UTF8.GetString(next.Bytes.Span);
            tail = (tail + text)[Math.Max(0, tail.Length + text.Length - MaxTail)..];
            foreach (var part in line is null ? [] : text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                line!(part);
        }
        var exit = await process.Exit;
        await agent.ForgetAsync(process.Key, cancellationToken);
        return (exit.Code, tail.Trim());
    }

    /// <summary>The last lines of what a command said, for the end of a message about it.</summary>
    public static string LastWords(string tail) => tail.Length == 0
        ? "and said nothing"
        : "after\n" + string.Join('\n', tail.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).TakeLast(MaxLines).Select(line => "    " + line));
}
