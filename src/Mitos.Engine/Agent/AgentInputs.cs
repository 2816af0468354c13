using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>
/// How far each process's input was written. Two users of one process share it, so that their pieces follow one another
/// instead of being taken for the same piece sent twice.
/// </summary>
internal sealed class AgentInputs
{
    private readonly Dictionary<ProcessKey, (Input Input, int Users)> _inputs = [];

    public Input Acquire(ProcessKey key)
    {
        lock (_inputs)
        {
            var (input, users) = _inputs.TryGetValue(key, out var known) ? known : (new Input(), 0);
            _inputs[key] = (input, users + 1);
            return input;
        }
    }

    public void Release(ProcessKey key)
    {
        lock (_inputs)
        {
            if (!_inputs.TryGetValue(key, out var known))
                return;
            if (known.Users == 1)
                _inputs.Remove(key);
            else
                _inputs[key] = (known.Input, known.Users - 1);
        }
    }

    internal sealed class Input
    {
        /// <summary>Held while a piece is written.</summary>
        public SemaphoreSlim Turn { get; } = new(1);

        /// <summary>Offset of the next byte; null: the guest must be asked.</summary>
        public ulong? Next { get; set; }
    }
}
