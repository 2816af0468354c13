using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;
using Mitos.Server.Storage;

namespace Mitos.Server.Requests;

/// <summary>
/// Requests that make sandboxes and have an <c>Idempotency-Key</c> are carried out once: the same again, from the same team, is given the first
/// answer; also while the first is still being carried out, and after a restart. Failures are not remembered.
/// </summary>
internal sealed class IdempotencyGate(Database database, MadeAnswers answers, TimeProvider time, ILogger<IdempotencyGate> logger)
{
    private readonly ConcurrentDictionary<(string Team, string Key), Task> _running = new();

    public async Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        if (Caller.Current is not { IdempotencyKey: { } key } caller || !MadeAnswers.Covers(context.Request))
        {
            await next(context);
            return;
        }
        var hash = await HashAsync(context.Request);
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        while (_running.GetOrAdd((caller.TeamId, key), mine.Task) is var first && first != mine.Task)
            await first.WaitAsync(context.RequestAborted);
        try
        {
            await ServeAsync(context, next, new IdempotentCall { TeamId = caller.TeamId, Key = key, Sha256 = hash, CreatedAtMs = time.GetUtcNow().ToUnixTimeMilliseconds() });
        }
        finally
        {
            _running.TryRemove((caller.TeamId, key), out _);
            mine.SetResult();
        }
    }

    private async Task ServeAsync(HttpContext context, RequestDelegate next, IdempotentCall call)
    {
        var known = await database.UseAsync(async db => await db.Calls.FindAsync(call.TeamId, call.Key));
        if (known is not null && call.CreatedAtMs - known.CreatedAtMs < IdempotentCall.KeptFor.TotalMilliseconds)
        {
            // One without an answer: the daemon ended before it was written. What was made by then is the answer.
            var answer = known.Status is null ? answers.Rebuild(context.Request, known) : known;
            if (answer is not null)
            {
                if (answer.Sha256 != call.Sha256)
                    throw new SandboxException(ErrorCode.Conflict, "This Idempotency-Key was used for another request.", "Use a new key for each request; the same one only to repeat it.");
                await AnswerAsync(context.Response, answer.Status!.Value, Encoding.UTF8.GetBytes(answer.Body!));
                return;
            }
        }
        await database.UseAsync(async db =>
        {
            if (known is null)
                db.Calls.Add(call);
            else
                db.Calls.Update(call);
            return await db.SaveChangesAsync();
        });
        await RunAsync(context, next, call);
    }

    private async Task RunAsync(HttpContext context, RequestDelegate next, IdempotentCall call)
    {
        var response = context.Response.Body;
        using var body = new MemoryStream();
        context.Response.Body = body;
        try
        {
            await next(context);
        }
        catch
        {
            await ForgetAsync(call);
            throw;
        }
        finally
        {
            context.Response.Body = response;
        }
        if (context.Response.StatusCode is >= 200 and < 300)
            await RememberAsync(call with { Status = context.Response.StatusCode, Body = Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length) });
        else
            await ForgetAsync(call);
        await response.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length), context.RequestAborted);
    }

    private Task RememberAsync(IdempotentCall call) => TryAsync(async db =>
    {
        db.Calls.Update(call);
        return await db.SaveChangesAsync();
    });

    private Task ForgetAsync(IdempotentCall call) => TryAsync(async db =>
    {
        db.Calls.Remove(call);
        return await db.SaveChangesAsync();
    });

    // A row that stays without an answer is as good: what the request made is found by its key.
    private async Task TryAsync(Func<MitosDatabase, Task<int>> write)
    {
        try
        {
            await database.UseAsync(write);
        }
        catch (SandboxException e)
        {
            logger.LogWarning("the answer to a request with an Idempotency-Key was not written down: {Reason}", e.Message);
        }
    }

    private static Task AnswerAsync(HttpResponse response, int status, byte[] body)
    {
        response.StatusCode = status;
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body).AsTask();
    }

    private static async Task<string> HashAsync(HttpRequest request)
    {
        var body = new MemoryStream();
        await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}\n"));
        hash.AppendData(body.GetBuffer().AsSpan(0, (int)body.Length));
        body.Position = 0;
        request.Body = body;
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
