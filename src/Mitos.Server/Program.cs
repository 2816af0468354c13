using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Server;
using Mitos.Server.Api;
using Mitos.Server.E2B;
using Mitos.Server.Observability;
using Mitos.Server.Tls;

if (args is ["--help"] or ["-h"])
{
    Console.WriteLine(ServerOptions.Usage);
    return 0;
}
try
{
    var options = ServerOptions.Parse(args);
    switch (options.Task)
    {
        case ServerTask.ProbeHost:
            Console.WriteLine(JsonSerializer.Serialize(HostProbe.Run(options.Engine).ToBody(), ContractsJson.Default.HostBody));
            return 0;
        case ServerTask.SelfTest:
            return await SelfTestTask.RunAsync(options.Engine);
    }
    using var loggers = LoggerFactory.Create(logging => logging.AddFormat(options.Log));
    await using var engine = await HostEngine.StartAsync(options.Engine, loggers);
    using var state = ServerState.Open(options.Engine.StateDirectory, options.Database);
    var certificates = options.Tls?.Open(options.Domain!, options.Engine.StateDirectory, TimeProvider.System, loggers.CreateLogger("Mitos.Server.Tls"));
    var app = ServerHost.Build(options.Socket, options.Listen, engine, state, E2BOptions.Of(options, certificates), certificates is null ? null : new TlsEndpoint(options.Tls!.Listen, certificates), options.Log);
    await using (app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (IOException e)
        {
            throw new SandboxException(ErrorCode.Conflict, $"mitosd cannot serve at {options.Listen}{(options.Tls is { } tls ? $" and {tls.Listen}" : "")}: {e.Message}",
                $"Set MITOS_LISTEN{(options.Tls is null ? "" : ", or MITOS_TLS_LISTEN,")} to an address that is free, such as 127.0.0.1:7071.", e);
        }
        if (options.Log == LogFormat.Json)
            app.Logger.LogInformation("mitosd serves {Socket} and {Address}", options.Socket, $"http://{options.Listen}");
        else
            Console.WriteLine($"mitosd serves {options.Socket} and http://{options.Listen}{(certificates is null ? "" : $", and https://api.{E2BOptions.Of(options, certificates).Domain} at {options.Tls!.Listen}")} (key: {Path.Combine(options.Engine.StateDirectory, "api-key")})");
        await app.WaitForShutdownAsync();
    }
    File.Delete(options.Socket);
    return 0;
}
catch (Exception e) when (e is SandboxException or ArgumentException or IOException)
{
    Console.Error.WriteLine($"mitosd: {e.Message}");
    if (e is SandboxException { Remedy.Length: > 0 } refusal)
        Console.Error.WriteLine($"        {refusal.Remedy}");
    return 1;
}
