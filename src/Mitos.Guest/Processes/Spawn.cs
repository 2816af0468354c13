using System.Runtime.InteropServices;
using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Processes;

/// <summary>Starts processes through the C shim (Mitos.Linux/native/spawn.c).</summary>
internal static unsafe class Spawn
{
    public const uint NewSession = 1, ControllingTerminal = 2, NewGroup = 4, SetIdentity = 8;

    private static readonly string[] Steps =
        ["none", "clone", "session", "cgroup", "descriptors", "terminal", "limits", "user", "working directory", "execute", "network", "mounts"];

    /// <returns>The pid.</returns>
    /// <exception cref="AgentError">NotFound for a command or directory that is not there, and so on.</exception>
    public static int Start(string[] argv, IReadOnlyDictionary<string, string> environment, string directory, Account account, ReadOnlySpan<int> descriptors, uint flags)
    {
        using var memory = new Memory();
        fixed (int* fds = descriptors)
        fixed (uint* groups = account.Groups)
        {
            var request = new Request
            {
                Paths = memory.Array(Candidates(argv[0], environment)),
                Arguments = memory.Array(argv),
                Environment = memory.Array(environment.Select(pair => pair.Key + "=" + pair.Value)),
                Directory = memory.Text(directory),
                Descriptors = fds,
                DescriptorCount = descriptors.Length,
                Groups = groups,
                GroupCount = account.Groups.Length,
                UserId = account.UserId,
                GroupId = account.GroupId,
                Flags = flags,
            };
            int pidfd, step;
            var pid = Libc.MitosSpawn(&request, &pidfd, &step);
            if (pid > 0)
            {
                _ = Libc.Close(pidfd);
                return pid;
            }
            var subject = step == 8 ? $"working directory '{directory}'" : step == 9 ? $"command '{argv[0]}'" : $"starting '{argv[0]}' ({Steps[step]})";
            throw AgentError.From(-pid, subject);
        }
    }

    private static IEnumerable<string> Candidates(string command, IReadOnlyDictionary<string, string> environment)
    {
        if (command.Contains('/'))
            return [command];
        return environment.GetValueOrDefault("PATH", "/usr/bin:/bin").Split(':').Select(folder => (folder.Length > 0 ? folder : ".") + "/" + command);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Request
    {
        public byte** Paths, Arguments, Environment;
        public byte* Directory;
        public int* Descriptors, Cgroups;
        public uint* Groups;
        public ulong MaxOpenFiles;
        public int DescriptorCount, CgroupCount, GroupCount;
        public uint UserId, GroupId, Flags;
        public int Network, Mounts;
    }

    private sealed class Memory : IDisposable
    {
        private readonly List<nint> _blocks = [];

        public byte* Text(string value)
        {
            var length = Encoding.UTF8.GetByteCount(value);
            var block = (byte*)NativeMemory.Alloc((nuint)length + 1);
            _blocks.Add((nint)block);
            Encoding.UTF8.GetBytes(value, new Span<byte>(block, length));
            block[length] = 0;
            return block;
        }

        public byte** Array(IEnumerable<string> values)
        {
            var texts = values.ToArray();
            var array = (byte**)NativeMemory.Alloc((nuint)(texts.Length + 1) * (nuint)sizeof(nint));
            _blocks.Add((nint)array);
            for (var i = 0; i < texts.Length; i++)
                array[i] = Text(texts[i]);
            array[texts.Length] = null;
            return array;
        }

        public void Dispose()
        {
            foreach (var block in _blocks)
                NativeMemory.Free((void*)block);
        }
    }
}
