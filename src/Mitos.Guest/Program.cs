using Mitos.Guest;
using Mitos.Guest.Boot;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

// As process 1: boots the guest and serves its host. With `--listen SOCKET|vsock:PORT [--root DIR]`: an ordinary process, for tests.
_ = Libc.Signal(13 /* SIGPIPE */, 1 /* SIG_IGN */);
if (args is ["--listen", var socket, ..])
{
    _ = Libc.Prctl(36 /* PR_SET_CHILD_SUBREAPER */, 1, 0, 0, 0);
    var listening = new EventLoop();
    var root = args is [_, _, "--root", var directory] ? directory : Path.GetTempPath();
    Directory.CreateDirectory(root + Mitos.Guest.Forks.Handshake.Folder);
    var transport = socket.StartsWith("vsock:", StringComparison.Ordinal) ? SocketTransport.ListenVsock(listening, uint.Parse(socket[6..])) : SocketTransport.ListenUnix(listening, socket);
    _ = new Agent(listening, transport, root);
    listening.Run();
}
if (Environment.ProcessId != 1)
{
    Console.Error.WriteLine("mitos-guest is process 1 of a Mitos machine. Elsewhere: mitos-guest --listen SOCKET|vsock:PORT [--root DIRECTORY]");
    return 1;
}
try
{
    Init.Run();
    var loop = new EventLoop();
    _ = new Agent(loop, SerialPort.Find() is { } port ? new SerialPort(loop, port) : SocketTransport.ListenVsock(loop, AgentPort.Vsock), root: "");
    BootConsole.Say("agent ready");
    loop.Run();
}
catch (Exception e)
{
    BootConsole.Say($"cannot go on: {e.Message}");
    PowerOff.Now();
}
return 1;
