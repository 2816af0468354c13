using System.Security.Cryptography;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Recovery;

/// <summary>What is written once of an engine, in <c>engine.json</c> of its state directory.</summary>
/// <param name="Id">8 hexadecimal digits; part of the names of its cgroups.</param>
/// <param name="Format">Format of all files in the state directory.</param>
public sealed record EngineRecord(string Id, int Format = EngineRecord.CurrentFormat)
{
    /// <summary>The format that this engine writes, and the only one that it reads. Raise it when a file's meaning changes.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The record of a state directory; a new one gets one.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: the directory is of another version, or its record is damaged. Nothing in it was changed.</exception>
    public static EngineRecord Open(string stateDirectory)
    {
        var path = Path.Combine(stateDirectory, "engine.json");
        if (!File.Exists(path))
        {
            var created = new EngineRecord(RandomNumberGenerator.GetHexString(8, lowercase: true));
            Journal.Write(path, created, EngineJson.Default.EngineRecord);
            return created;
        }
        var record = Journal.TryRead(path, EngineJson.Default.EngineRecord);
        if (record is null || record.Id.Length != 8 || !record.Id.All(char.IsAsciiHexDigitLower))
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"{path} cannot be read as the record of an engine.",
                $"Delete it if no sandbox of {stateDirectory} runs any more, or set MITOS_STATE to another directory.");
        }
        if (record.Format != CurrentFormat)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The state directory {stateDirectory} has format {record.Format}; this version of Mitos reads format {CurrentFormat}.",
                "Use the version that wrote it, or set MITOS_STATE to another directory.");
        }
        return record;
    }
}
