using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/processes: those that were started through the API and are not forgotten.</summary>
internal static class ProcessRoutes
{
    private const int DefaultSignal = 15;

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes/{id}/processes").WithTags("processes").CountCalls();
        group.MapGet("/", ListAsync).WithName("listProcesses").WithSummary("Lists the processes that were started through the API").WithRequestTimeout(ErrorHandling.GuestLimit)
            .WithDescription("In the order of their starts. Those that have ended stay for a while, unless somebody read their end.");
        group.MapPost("/{process}/signal", SignalAsync).WithName("signalProcess").WithSummary("Signals a process").Produces(204).WithRequestTimeout(ErrorHandling.GuestLimit);
        group.MapGet("/{process}/stream", ExecStream.AttachAsync).WithName("attachProcess").WithSummary("Attaches to a process, over a WebSocket")
            .WithDescription("As exec/stream, without a first message: output begins with the oldest that is still there. The process lives on when the client goes.").Produces(101);
    }

    /// <summary>By id, or by the pid of one that runs.</summary>
    /// <exception cref="SandboxException">NotFound.</exception>
    public static async Task<ProcessKey> FindAsync(AgentClient agent, string process, CancellationToken cancellationToken)
    {
        var all = await agent.ListProcessesAsync(cancellationToken);
        var found = int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            ? all.FirstOrDefault(info => info.Pid == pid && info.Exit is null)
            : all.FirstOrDefault(info => info.Key.ToString() == process);
        return found?.Key ?? throw SandboxException.NotFound("process", process, "GET …/processes lists the processes.");
    }

    private static async Task<List<ProcessBody>> ListAsync(string id, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var all = await (await sandboxes.AgentAsync(sandboxes.Find(id).Id, cancellationToken)).ListProcessesAsync(cancellationToken);
        return all.Select(process => process.ToBody()).ToList();
    }

    private static async Task<IResult> SignalAsync(string id, string process, [FromBody] SignalRequest? body, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var agent = await sandboxes.AgentAsync(sandboxes.Find(id).Id, cancellationToken);
        var signal = body?.Signal ?? DefaultSignal;
        if (signal is < 1 or > 64)
            throw SandboxException.Invalid($"There is no signal {signal}.", "Use 1 to 64; 15 is SIGTERM, 9 SIGKILL.");
        await agent.SignalAsync(await FindAsync(agent, process, cancellationToken), signal, body?.Group ?? true, cancellationToken);
        return Results.NoContent();
    }
}
