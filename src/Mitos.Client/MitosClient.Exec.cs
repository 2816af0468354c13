using Mitos.Contracts;

namespace Mitos.Client;

public sealed partial class MitosClient
{
    /// <summary>Runs a command and returns its output, at most 16 MiB of each stream.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="request">The command.</param>
    /// <param name="cancellationToken">Kills the command.</param>
    public Task<ExecBody> ExecAsync(string id, ExecRequest request, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Path(id, "exec"), request, ContractsJson.Default.ExecRequest, ContractsJson.Default.ExecBody, cancellationToken);

    /// <summary>Starts a command whose input and output are streams.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="request">The command.</param>
    /// <param name="cancellationToken">Ends the waiting for its start.</param>
    public Task<ExecSession> OpenExecAsync(string id, ExecRequest request, CancellationToken cancellationToken = default) => OpenAsync(id, "exec/stream", request, cancellationToken);

    /// <summary>Attaches to a process: its output from the oldest that is still there, and its input. It lives on when the session ends.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="process"><see cref="ProcessBody.Id"/>, or its pid while it runs.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<ExecSession> AttachAsync(string id, string process, CancellationToken cancellationToken = default) =>
        OpenAsync(id, $"processes/{Part(process, "process")}/stream", null, cancellationToken);

    /// <summary>The processes that were started through the API and are still known, in the order of their starts.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<ProcessBody>> ListProcessesAsync(string id, CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Path(id, "processes"), ContractsJson.Default.ListProcessBody, cancellationToken);

    /// <summary>Signals a process that was started through the API.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="process"><see cref="ProcessBody.Id"/>, or its pid.</param>
    /// <param name="signal">1 to 64; 15 is SIGTERM, 9 SIGKILL.</param>
    /// <param name="group">Whether its whole process group gets it.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task SignalAsync(string id, string process, int signal, bool group = true, CancellationToken cancellationToken = default) =>
        _transport.DoAsync(HttpMethod.Post, Path(id, $"processes/{Part(process, "process")}/signal"),
            Transport.Json(new SignalRequest { Signal = signal, Group = group }, ContractsJson.Default.SignalRequest), cancellationToken);

    private async Task<ExecSession> OpenAsync(string id, string path, ExecRequest? request, CancellationToken cancellationToken)
    {
        var socket = await _transport.ConnectAsync(Path(id, path), cancellationToken);
        try
        {
            return await ExecSession.StartAsync(socket, request, (process, signal, token) => SignalAsync(id, process, signal, true, token), cancellationToken);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
