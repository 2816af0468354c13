using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.EndToEnd.Crashes;

/// <summary>
/// A sandbox that is known by heart: how it is described, a value on its disk, the same in a variable of a process that answers, and noise in its memory.
/// </summary>
internal sealed class Subject(SandboxBody made, string value)
{
    private string _noise = "";
    private int _asked;

    public string Id { get; } = made.Id;

    /// <summary>When its life ends.</summary>
    public DateTimeOffset? EndsAt { get; set; } = made.EndsAt;

    public string Value { get; } = value;

    /// <summary>Puts the value where it belongs; once, and after each boot.</summary>
    public async Task PlantAsync(MitosClient client) => _noise = await ShellAsync(client, Id, $$"""
        echo {{Value}} >/root/kept && head -c 3M /dev/urandom >/dev/shm/noise && sync && rm -f /root/ask /root/tell && mkfifo /root/ask /root/tell
        setsid bash -c 'kept={{Value}}; while :; do read -r asked </root/ask; echo "$kept $asked" >/root/tell; done' </dev/null >/dev/null 2>&1 &
        sha256sum </dev/shm/noise
        """);

    /// <summary>Fails unless a sandbox is this one, or came of it: its disk, its process and its memory; and unless it can write.</summary>
    /// <param name="client">Reaches the daemon.</param>
    /// <param name="id">Of the sandbox; it runs.</param>
    /// <param name="booted">Whether only its files are to be the same.</param>
    public async Task LookAsync(MitosClient client, string id, bool booted = false)
    {
        var asked = $"{++_asked}";
        var memory = booted ? "" : $"echo {asked} >/root/ask; cat /root/tell; sha256sum </dev/shm/noise";
        var seen = await ShellAsync(client, id, $"cat /root/kept; echo {asked} >/root/written; cat /root/written; {memory}");
        Assert.Equal(booted ? [Value, asked] : [Value, asked, $"{Value} {asked}", _noise], seen.Split('\n'));
    }

    /// <summary>Fails unless a sandbox is described as this one was when it was made.</summary>
    public void Compare(SandboxBody seen)
    {
        Assert.Equal((made.Name, made.CreatedAt), (seen.Name, seen.CreatedAt));
        Assert.Equal(made.Env, seen.Env);
        CompareTerms(seen);
    }

    /// <summary>Fails unless a fork of it has what forks inherit.</summary>
    public void CompareTerms(SandboxBody seen)
    {
        Assert.Equal(made.Metadata, seen.Metadata);
        Assert.Equal((EndsAt, made.OnTimeout), (seen.EndsAt, seen.OnTimeout));
    }

    private static async Task<string> ShellAsync(MitosClient client, string id, string command)
    {
        var ran = await client.ExecAsync(id, new ExecRequest { Cmd = command, User = "root", TimeoutMs = 60_000 }, TestContext.Current.CancellationToken);
        Assert.True(ran.ExitCode == 0, $"in {id}: {ran.ExitCode} {ran.Stdout} {ran.Stderr}");
        return ran.Stdout.TrimEnd('\n');
    }
}
