using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mitos.Server.Requests;

/// <summary>
/// Who did what in sandboxes: commands, files, ports, by whichever API. Requests that differ in nothing but their time are one line for a second: a
/// busy port costs a count in memory. The lines have a file of their own, <c>audit-data.jsonl</c>, so that they push out nothing of <see cref="AuditLog"/>.
/// </summary>
internal sealed class DataAudit : BackgroundService
{
    public const string File = "audit-data.jsonl";

    private const int MaxDifferent = 10_000, MaxMethod = 16;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private readonly AuditLog _log;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private Dictionary<DataAccess, (DateTimeOffset First, long Times)> _noted = [];

    public DataAudit(string directory, ILogger<AuditLog> logger, TimeProvider time) => (_log, _time) = (new AuditLog(directory, logger, name: File), time);

    public void Note(DataAccess access)
    {
        var now = _time.GetUtcNow();
        lock (_lock)
        {
            var (first, times) = _noted.GetValueOrDefault(access, (now, 0));
            _noted[access] = (first, times + 1);
            if (_noted.Count < MaxDifferent)
                return;
        }
        Flush();
    }

    /// <summary>Notes a request when its answer begins, for it may last; and again when it is refused after that.</summary>
    /// <param name="context">Of the request.</param>
    /// <param name="describe">Says what it is; its outcome is added.</param>
    /// <param name="serve">Answers it.</param>
    public async Task WatchAsync(HttpContext context, Func<DataAccess> describe, Func<Task> serve)
    {
        var (isNoted, told) = (false, (string?)null);
        context.Response.OnStarting(() =>
        {
            if (!isNoted)
                Tell();
            return Task.CompletedTask;
        });
        try
        {
            await serve();
        }
        finally
        {
            if (!isNoted || Refusal.CodeOf(context) != told)
                Tell();
        }

        void Tell()
        {
            (isNoted, told) = (true, Refusal.CodeOf(context));
            var access = describe();
            Note(access with
            {
                Method = access.Method.Length <= MaxMethod ? access.Method : "other",
                Proof = told is "unauthenticated" or "permission_denied" ? null : access.Proof,
                Status = !context.Response.HasStarted && context.RequestAborted.IsCancellationRequested ? StatusCodes.Status499ClientClosedRequest : context.Response.StatusCode,
                Code = told,
            });
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        Flush();
        _log.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, _time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            Flush();
    }

    private void Flush()
    {
        Dictionary<DataAccess, (DateTimeOffset First, long Times)> noted;
        lock (_lock)
        {
            if (_noted.Count == 0)
                return;
            (noted, _noted) = (_noted, []);
        }
        foreach (var (access, (first, times)) in noted)
            _log.Write(JsonSerializer.SerializeToUtf8Bytes(new DataAuditEntry(first, access.Team, access.Key, access.Proof, access.Address, access.Method, access.Route, access.Subject, access.Status, access.Code, times), DataAuditJson.Default.DataAuditEntry));
    }
}

/// <param name="Team">Of the caller, or, where he showed no key, of the sandbox; null: neither.</param>
/// <param name="Key">Id of the key; null: none, or the local user.</param>
/// <param name="Proof">What was shown instead of a key: <c>accessToken</c>, <c>signature</c>, <c>trafficToken</c>; null: nothing, or a key.</param>
/// <param name="Address">Where it came from; null: the local socket.</param>
/// <param name="Method">Of HTTP.</param>
/// <param name="Route">What was asked: an address as it is described, a method of the agent's services, or <c>port 3000</c>.</param>
/// <param name="Subject">The sandbox.</param>
/// <param name="Status">Of the answer.</param>
/// <param name="Code">Of the refusal; null: it was none.</param>
internal readonly record struct DataAccess(string? Team, string? Key, string? Proof, string? Address, string Method, string? Route, string? Subject, int Status, string? Code);

/// <param name="At">When the first was answered.</param>
/// <param name="Times">How many there were within the second.</param>
internal sealed record DataAuditEntry(DateTimeOffset At, string? Team, string? Key, string? Proof, string? Address, string Method, string? Route, string? Subject, int Status, string? Code, long Times);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DataAuditEntry))]
internal sealed partial class DataAuditJson : JsonSerializerContext;
