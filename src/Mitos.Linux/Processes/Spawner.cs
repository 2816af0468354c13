using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;

namespace Mitos.Linux.Processes;

/// <summary>Starts processes through the native shim (native/spawn.c).</summary>
public static unsafe class Spawner
{
    internal static readonly IReadOnlyList<string> Steps =
        ["none", "clone", "setsid", "join cgroup", "arrange descriptors", "set terminal", "set limits", "set identity", "chdir", "execve", "setns", "setns to mounts"];

    /// <summary>Starts a process and returns when it executes; what is known of the new program under /proc may come a moment later.</summary>
    /// <exception cref="LinuxException">Its <see cref="LinuxException.Call"/> names the step that failed.</exception>
    public static HostProcess Start(SpawnOptions options)
    {
        using var memory = new NativeStrings();
        fixed (int* descriptors = options.Descriptors.ToArray())
        fixed (int* cgroups = options.Cgroups.ToArray())
        fixed (uint* groups = options.Groups.Select(group => (uint)group).ToArray())
        {
            var flags = (options.NewSession ? SpawnFlags.NewSession : 0) | (options.NoHugePages ? SpawnFlags.NoHugePages : 0) | (options.NoCoreDump ? SpawnFlags.NoCore : 0) | (options.EnterFirst ? SpawnFlags.EnterFirst : 0)
                | (options.UserId is null ? 0 : SpawnFlags.SetIdentity | SpawnFlags.NoNewPrivileges);
            var request = new SpawnRequest
            {
                Paths = memory.Array([options.Path]),
                Arguments = memory.Array(options.Arguments),
                Environment = memory.Array(options.Environment.Select(pair => $"{pair.Key}={pair.Value}")),
                Directory = memory.Text(options.Directory),
                Descriptors = descriptors,
                DescriptorCount = options.Descriptors.Count,
                Cgroups = cgroups,
                CgroupCount = options.Cgroups.Count,
                Groups = groups,
                GroupCount = options.Groups.Count,
                MaxOpenFiles = (ulong)options.MaxOpenFiles,
                UserId = (uint)(options.UserId ?? 0),
                GroupId = (uint)(options.UserId ?? 0),
                Flags = flags,
                Network = options.Network is { } network ? (int)network.DangerousGetHandle() : 0,
                Mounts = options.Mounts is { } mounts ? (int)mounts.DangerousGetHandle() : 0,
            };
            int pidfd, step;
            var pid = Libc.MitosSpawn(&request, &pidfd, &step);
            if (pid < 0)
                throw new LinuxException(Steps[step], -pid, options.Path);
            return new HostProcess(pid, new SafeFileHandle(pidfd, ownsHandle: true), isChild: true);
        }
    }

    private sealed class NativeStrings : IDisposable
    {
        private readonly List<nint> _blocks = [];

        public byte* Text(string value)
        {
            if (value.Contains('\0'))
                throw new ArgumentException($"'{value.Replace('\0', '·')}' has a zero inside; for a program it would end there.", nameof(value));
            var block = Marshal.StringToCoTaskMemUTF8(value);
            _blocks.Add(block);
            return (byte*)block;
        }

        public byte** Array(IEnumerable<string> values)
        {
            var texts = values.ToList();
            var block = Marshal.AllocCoTaskMem((texts.Count + 1) * sizeof(nint));
            _blocks.Add(block);
            var array = (byte**)block;
            for (var i = 0; i < texts.Count; i++)
                array[i] = Text(texts[i]);
            array[texts.Count] = null;
            return array;
        }

        public void Dispose() => _blocks.ForEach(Marshal.FreeCoTaskMem);
    }
}
