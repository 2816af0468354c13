using Mitos.Engine.Errors;

namespace Mitos.Engine.Disks;

/// <summary>
/// The files of all disk layers of this host, and who uses them. A layer is deleted when its last user lets go of it;
/// the counts live in memory and are made again from the journals at start.
/// </summary>
public sealed class LayerStore
{
    private readonly string _directory;
    private readonly Dictionary<LayerId, int> _users = [];
    private readonly Lock _lock = new();

    public LayerStore(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    internal string Location => _directory;

    /// <summary>Creates an empty layer with one user.</summary>
    /// <param name="make">Makes its file.</param>
    public LayerId Create(Action<string> make)
    {
        var layer = LayerId.New();
        lock (_lock)
            _users[layer] = 1; // before there is a file: nobody may take it for one that nobody uses
        try
        {
            make(PathOf(layer));
            return layer;
        }
        catch (IOException e)
        {
            Release([layer]);
            throw new SandboxException(ErrorCode.Exhausted, $"No disk layer could be created in {_directory}: {e.Message}",
                "Free disk space there, for example by `mitos rm` of sandboxes that are no longer needed.", e);
        }
    }

    /// <summary>For images that layers share blocks with.</summary>
    public string ImageDirectory => Directory.CreateDirectory(Path.Combine(_directory, "images")).FullName;

    public string PathOf(LayerId layer) => Path.Combine(_directory, layer + ".layer");

    public long LengthOf(LayerId layer) => new FileInfo(PathOf(layer)).Length;

    /// <summary>Counts one more user of each layer.</summary>
    public void Acquire(IEnumerable<LayerId> layers)
    {
        lock (_lock)
        {
            foreach (var layer in layers)
                _users[layer] = _users.GetValueOrDefault(layer) + 1;
        }
    }

    /// <summary>Counts one user less of each layer and deletes those that have none.</summary>
    /// <exception cref="InvalidOperationException">A layer had no user: somebody let go twice. The others are released.</exception>
    public void Release(IEnumerable<LayerId> layers)
    {
        var unknown = new List<LayerId>();
        lock (_lock)
        {
            foreach (var layer in layers)
            {
                if (!_users.TryGetValue(layer, out var users))
                {
                    unknown.Add(layer);
                }
                else if (users > 1)
                {
                    _users[layer] = users - 1;
                }
                else
                {
                    _users.Remove(layer);
                    if (File.Exists(PathOf(layer))) // deleting is an error where the directory is gone, too
                        File.Delete(PathOf(layer));
                }
            }
        }
        if (unknown.Count > 0)
            throw new InvalidOperationException($"The disk layers {string.Join(", ", unknown)} have no user that could let go of them.");
    }

    /// <summary>Deletes files that nobody uses: what a crash left. Only when all journals were read.</summary>
    /// <returns>How many were deleted.</returns>
    public int DeleteUnused()
    {
        lock (_lock)
        {
            var unused = Directory.EnumerateFiles(_directory)
                .Where(path => !LayerId.TryParse(Path.GetFileNameWithoutExtension(path), out var layer) || !_users.ContainsKey(layer)).ToList();
            unused.ForEach(File.Delete);
            return unused.Count;
        }
    }
}
