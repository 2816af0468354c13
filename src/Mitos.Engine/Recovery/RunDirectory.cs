using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Linux.Files;

namespace Mitos.Engine.Recovery;

/// <summary>
/// An engine's hold on its run directory. The file <c>engine</c> in it says whose it is, also while that engine does not run: the machines in
/// it are another engine's leftovers only to that engine itself.
/// </summary>
internal sealed class RunDirectory : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly string _path, _machines;

    private RunDirectory(SafeFileHandle file, string path, string machines) => (_file, _path, _machines) = (file, path, machines);

    /// <exception cref="SandboxException">Conflict: another engine has it, or has machines in it.</exception>
    public static RunDirectory Take(EngineOptions options, string engineId)
    {
        Directory.CreateDirectory(options.RunDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var (path, machines) = (Path.Combine(options.RunDirectory, "engine"), MachineHost.RunRootOf(options));
        var file = FileDescriptors.OpenOrCreate(path);
        try
        {
            var free = FileDescriptors.TryLock(file);
            var buffer = new byte[512];
            var owner = Encoding.UTF8.GetString(buffer, 0, RandomAccess.Read(file, buffer, 0)).Split('\n');
            if (!free || (owner is [{ Length: > 0 } id, ..] && id != engineId && HasMachines(machines)))
            {
                throw new SandboxException(ErrorCode.Conflict, $"The run directory {options.RunDirectory} is that of {(owner.Length > 1 ? $"the daemon of {owner[1]}" : "another daemon")}, {(free ? "whose sandboxes go on there" : "which runs")}.",
                    "Set MITOS_RUN to another directory, or MITOS_STATE to that daemon's.");
            }
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, Encoding.UTF8.GetBytes($"{engineId}\n{options.StateDirectory}\n"), 0);
            return new RunDirectory(file, path, machines);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Lets go of it; without machines it is nobody's.</summary>
    public void Dispose()
    {
        if (!_file.IsClosed && !HasMachines(_machines))
            File.Delete(_path);
        _file.Dispose();
    }

    private static bool HasMachines(string directory) => Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any();
}
