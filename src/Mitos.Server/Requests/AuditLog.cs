using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mitos.Server.Requests;

/// <summary>
/// Who did what: a line of JSON for each request that may change something, in <c>audit.jsonl</c> of the state directory; what is done inside sandboxes is in <see cref="DataAudit"/>'s. A file, not rows: it goes on
/// when the database is away. Never contents, queries or secrets.
/// </summary>
internal sealed class AuditLog(string directory, ILogger<AuditLog> logger, long maxBytes = AuditLog.MaxBytes, string name = AuditLog.File) : IDisposable
{
    public const string File = "audit.jsonl";

    private const long MaxBytes = 16 << 20;
    private const int Kept = 4;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly string _path = Path.Combine(directory, name);
    private readonly Lock _lock = new();
    private FileStream? _file;
    private bool _failing;

    /// <summary>Appends a line. Does not fail: what was done is done.</summary>
    public void Write(AuditEntry entry) => Write(JsonSerializer.SerializeToUtf8Bytes(entry, AuditJson.Default.AuditEntry));

    /// <inheritdoc cref="Write(AuditEntry)"/>
    public void Write(byte[] line)
    {
        lock (_lock)
        {
            try
            {
                if (_file is { } full && full.Length + line.Length >= maxBytes)
                    Rotate();
                _file ??= new FileStream(_path, new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete, UnixCreateMode = Private, BufferSize = 0 });
                _file.Write([.. line, (byte)'\n']);
                _failing = false;
            }
            catch (IOException e)
            {
                if (!_failing)
                    logger.LogError("the audit log {Path} cannot be written: {Reason}", _path, e.Message);
                _failing = true;
            }
        }
    }

    public void Dispose() => _file?.Dispose();

    // audit.jsonl.1 is the youngest of those that are full
    private void Rotate()
    {
        _file!.Dispose();
        _file = null;
        for (var i = Kept - 1; i > 0; i--)
        {
            if (System.IO.File.Exists($"{_path}.{i}"))
                System.IO.File.Move($"{_path}.{i}", $"{_path}.{i + 1}", overwrite: true);
        }
        System.IO.File.Move(_path, $"{_path}.1", overwrite: true);
    }
}

/// <param name="At">When it was answered.</param>
/// <param name="Team">Of the caller; null: he showed no key that there is.</param>
/// <param name="Key">Id of the key, which has expired where the status is 401; null: none, or the local user.</param>
/// <param name="Address">Where it came from; null: the local socket.</param>
/// <param name="Method">Of HTTP.</param>
/// <param name="Route">The address as it is described, with names of parameters for their values; null: there is nothing at the address.</param>
/// <param name="Subject">The sandbox, key, template or process group named in the address; null: none.</param>
/// <param name="Made">Sandboxes that were made; null: none.</param>
/// <param name="Status">Of the answer.</param>
internal sealed record AuditEntry(DateTimeOffset At, string? Team, string? Key, string? Address, string Method, string? Route, string? Subject, IReadOnlyList<string>? Made, int Status);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditEntry))]
internal sealed partial class AuditJson : JsonSerializerContext;
