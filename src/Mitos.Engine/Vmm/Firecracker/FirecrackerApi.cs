using System.Text;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>
/// Firecracker's API over a kept-open unix socket: a request at a time, blocking, with a deadline. Requests are bytes made
/// beforehand, so that a call inside the pause does nothing but send and receive. After a call that failed the next one begins a new
/// connection: requests are carried out in the order in which they came, whatever became of those who asked.
/// </summary>
internal sealed class FirecrackerApi : IDisposable
{
    private static readonly TimeSpan EndLimit = TimeSpan.FromMilliseconds(250);
    private readonly string _path, _subject;
    private readonly HostProcess _process;
    private readonly Func<string> _lastWords;
    private readonly Lock _lock = new();
    private readonly HttpAnswer _answer = new();
    private UnixSocket? _socket;

    /// <summary>Connects, as soon as the process has made its socket.</summary>
    /// <param name="path">The API socket.</param>
    /// <param name="subject">Names the process in messages.</param>
    /// <param name="process">The process.</param>
    /// <param name="lastWords">What it said last; for one that has ended.</param>
    /// <param name="deadline">Until when the socket must be there.</param>
    /// <exception cref="VmmException">It never came up.</exception>
    public FirecrackerApi(string path, string subject, HostProcess process, Func<string> lastWords, Deadline deadline)
    {
        (_path, _subject, _process, _lastWords) = (path, subject, process, lastWords);
        while (true)
        {
            try
            {
                _socket = UnixSocket.Connect(path, deadline);
                return;
            }
            catch (LinuxException e) when (deadline.RemainingMs > 0 && !process.HasExited && e.Errno is Errno.ENOENT or Errno.ECONNREFUSED)
            {
                Thread.Sleep(1);
            }
            catch (LinuxException e)
            {
                throw new VmmException($"The API of Firecracker {subject} cannot be reached: {WhyGone(e.Message)}", e);
            }
        }
    }

    /// <summary>Sends a request that must succeed.</summary>
    /// <returns>The answer's body; empty for most.</returns>
    /// <exception cref="VmmException">Refused, with Firecracker's own words, or not answered; then it may have been carried out, or may be later.</exception>
    public string Call(byte[] request, Deadline deadline)
    {
        var (status, body) = Exchange(request, deadline);
        return status is >= 200 and < 300 ? body : throw new VmmException($"Firecracker {_subject} refused {Name(request)}: {HttpAnswer.FaultOf(body)}");
    }

    /// <summary>Sends a request that may be refused.</summary>
    /// <exception cref="VmmException">Not answered.</exception>
    public (int Status, string Body) Exchange(byte[] request, Deadline deadline)
    {
        lock (_lock)
        {
            try
            {
                _socket ??= UnixSocket.Connect(_path, deadline);
                _socket.Send(request, deadline);
                return _answer.Receive(_socket, deadline);
            }
            catch (Exception e) when (e is LinuxException or InvalidDataException)
            {
                // An answer may still come: it could not be told from the next one's.
                _socket?.Dispose();
                _socket = null;
                throw new VmmException($"Firecracker {_subject} did not answer {Name(request)}: {(e is LinuxException { Errno: Errno.ETIMEDOUT } ? "it took too long" : WhyGone(e.Message))}", e);
            }
        }
    }

    public void Dispose() => _socket?.Dispose();

    // A process that ends closes its sockets a moment before.
    private string WhyGone(string otherwise) => _process.Exited.Wait(EndLimit) ? "it has ended; " + (_lastWords() is { Length: > 0 } words ? $"it said: {words}" : "it said nothing") : otherwise;

    private static string Name(byte[] request) => $"'{Encoding.ASCII.GetString(request, 0, Math.Max(0, request.AsSpan().IndexOf(" HTTP"u8)))}'";
}
