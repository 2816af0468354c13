namespace Mitos.Protocol.Messages;

/// <summary>Which output of a process; a terminal has only <see cref="Stdout"/>.</summary>
public enum OutputStream : byte
{
    Stdout = 1,
    Stderr = 2,
}
