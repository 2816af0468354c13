using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Api;
using Mitos.FirecrackerFake.Plan;
using Mitos.FirecrackerFake.Spec;

namespace Mitos.FirecrackerFake.Http;

/// <summary>The API's socket: takes requests of any number of clients, carries them out one at a time, and does to them what the plan says.</summary>
internal sealed class ApiServer(string id, Planner planner, Specification specification, int maxBody)
{
    private readonly Gatekeeper _gatekeeper = new(specification);
    private readonly Controller _controller = new(id, planner);
    private readonly Lock _one = new();

    /// <exception cref="SocketException">The path exists, or cannot be made.</exception>
    public static Socket Bind(string path)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return listener;
    }

    /// <summary>Serves until the process ends.</summary>
    public void Serve(Socket listener)
    {
        while (true)
        {
            var client = listener.Accept();
            new Thread(() => ServeClient(client)) { IsBackground = true }.Start();
        }
    }

    /// <summary>Carries out a request as if a client had sent it: for <c>--config-file</c>.</summary>
    public Answer Run(HttpRequest request)
    {
        lock (_one)
            return Carry(request);
    }

    private void ServeClient(Socket client)
    {
        using (client)
        {
            var connection = new HttpConnection(client, maxBody);
            try
            {
                while (connection.Read() is { } request)
                {
                    lock (_one)
                    {
                        if (!Answer(connection, request))
                            return;
                    }
                }
            }
            catch (InvalidDataException e)
            {
                connection.Write(HttpConnection.Encode(400, Json.Text(new JsonObject { ["error"] = $"{e.Message}\nAll previous unanswered requests will be dropped." })));
            }
            catch (SocketException)
            {
                // the client is gone
            }
        }
    }

    // False when the connection is to be closed.
    private bool Answer(HttpConnection connection, HttpRequest request)
    {
        var rule = planner.Begin($"{request.Method} {request.Path}");
        var answer = rule switch
        {
            { Do: FakeAct.Refuse } => new Answer(rule.Status == 0 ? 400 : rule.Status, Json.Text(new JsonObject { ["fault_message"] = rule.Text })),
            { Do: FakeAct.Lie } => new Answer(rule.Status == 0 ? 204 : rule.Status, rule.Text),
            { Do: FakeAct.Babble } or { Do: FakeAct.Cut, CarryOut: false } => new Answer(0),
            _ => Carry(request),
        };
        Log(request, answer.Status);
        if (rule?.Do == FakeAct.Exit)
            planner.Exit(rule);
        var bytes = rule?.Do == FakeAct.Babble ? Encoding.UTF8.GetBytes(rule.Text) : HttpConnection.Encode(answer.Status == 0 ? 204 : answer.Status, answer.Body, answer.Deprecated);
        if (rule?.Do == FakeAct.Cut)
        {
            connection.Write(bytes.AsSpan(0, Math.Min(rule.Bytes, bytes.Length)));
            return false;
        }
        connection.Write(bytes);
        if (answer.IsFatal)
            Environment.Exit(1);
        return true;
    }

    private Answer Carry(HttpRequest request)
    {
        var plan = planner.Plan;
        var release = new Release(System.Version.Parse(plan.Version));
        try
        {
            var (operation, body) = _gatekeeper.Check(request.Method, request.Path, request.Body, release);
            return _controller.Run(operation, body, plan, release);
        }
        catch (Fault fault)
        {
            return Api.Answer.Of(fault);
        }
    }

    private void Log(HttpRequest request, int status)
    {
        if (planner.Plan.Log is not { } path)
            return;
        var line = new JsonObject { ["machine"] = id, ["method"] = request.Method, ["path"] = request.Path, ["body"] = Encoding.UTF8.GetString(request.Body), ["status"] = status };
        // One write: lines of several processes do not mix.
        using var log = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        log.Write(Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"));
    }
}
