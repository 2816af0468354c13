using System.Diagnostics;
using System.IO.MemoryMappedFiles;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>The steps of what a daemon does, each a change that outlives it: counted, or one of them is its last.</summary>
internal sealed class Steps : IDisposable
{
    private const int CountOnly = -1;
    private readonly Daemon _daemon;
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mitos-steps-");
    private readonly string _file, _library, _log;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;

    public Steps(Daemon daemon)
    {
        _daemon = daemon;
        _file = Path.Combine(_directory.FullName, "steps");
        (_library, _log) = (_file + ".so", _file + ".log");
        File.WriteAllBytes(_file, new byte[4096]);
        using (var clang = Process.Start("clang", ["-std=gnu17", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", _library, Path.Combine(AppContext.BaseDirectory, "Crashes", "steps.c")]))
        {
            clang.WaitForExit();
            Assert.Equal(0, clang.ExitCode);
        }
        _map = MemoryMappedFile.CreateFromFile(_file, FileMode.Open);
        _view = _map.CreateViewAccessor();
    }

    /// <summary>Since <see cref="Count"/> or <see cref="DieAt"/>.</summary>
    public int Seen => _view.ReadInt32(4);

    /// <summary>What they were: number, before or after, call, path.</summary>
    public IReadOnlyList<string> Log => File.ReadAllLines(_log);

    /// <summary>Starts the daemon, which takes no steps yet.</summary>
    public Task StartAsync()
    {
        Arm(0);
        return _daemon.StartAsync($"LD_PRELOAD={_library}", $"FATAL_STEPS={_file}", $"FATAL_LOG={_log}", $"FATAL_ROOTS={_daemon.StateDirectory}:{_daemon.RunDirectory}:/sys/fs/cgroup");
    }

    public void Count() => Arm(CountOnly);

    public void DieAt(int step) => Arm(step);

    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
        _directory.Delete(recursive: true);
    }

    private void Arm(int step)
    {
        if (File.Exists(_log))
            File.WriteAllText(_log, "");
        _view.Write(4, 0);
        _view.Write(0, step);
    }
}
