using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Mitos.Cli.Commands;

/// <summary>
/// Passes on what a sandbox's tar writes (GNU format, POSIX.1-1988 headers; see tar(5)), but for what would have power here: devices,
/// pipes and whatever else is no file, directory or link are left out, and modes lose set-user-id, set-group-id and sticky bits.
/// </summary>
/// <param name="target">Gets the archive.</param>
internal sealed class GuestArchive(Stream target)
{
    private const int Block = 512, ModeAt = 100, SizeAt = 124, ChecksumAt = 148, KindAt = 156, MaxLongName = 1 << 20;
    // Files ('\0', '0', '7'), hard and symbolic links, devices ('3', '4'), directories, pipes ('6'), and long names of what follows.
    private const string Kinds = "\0" + "01234567LK";
    private readonly byte[] _block = new byte[Block];
    private readonly MemoryStream _ahead = new(); // a long name, until it is known whose
    private readonly List<string> _leftOut = [];
    private int _filled;
    private long _data; // bytes of content that are to come, in whole blocks
    private bool _passes = true, _isLongName;

    /// <summary>Names of the entries that were left out; at most a hundred.</summary>
    public IReadOnlyList<string> LeftOut => _leftOut;

    /// <exception cref="InvalidDataException">It is no such archive.</exception>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            if (_filled == 0 && _data > 0 && bytes.Length >= Block)
            {
                var whole = (int)Math.Min(_data, bytes.Length / Block * Block);
                await PassAsync(bytes[..whole], cancellationToken);
                _data -= whole;
                bytes = bytes[whole..];
                continue;
            }
            var part = Math.Min(Block - _filled, bytes.Length);
            bytes[..part].CopyTo(_block.AsMemory(_filled));
            (_filled, bytes) = (_filled + part, bytes[part..]);
            if (_filled < Block)
                return;
            _filled = 0;
            if (_data > 0)
                _data -= Block;
            else
                BeginEntry();
            await PassAsync(_block, cancellationToken);
        }
    }

    private async Task PassAsync(ReadOnlyMemory<byte> blocks, CancellationToken cancellationToken)
    {
        if (_isLongName)
        {
            _ahead.Write(blocks.Span);
            return;
        }
        if (_passes && _ahead.Length > 0)
            await target.WriteAsync(_ahead.GetBuffer().AsMemory(0, (int)_ahead.Length), cancellationToken);
        _ahead.SetLength(0);
        if (_passes)
            await target.WriteAsync(blocks, cancellationToken);
    }

    private void BeginEntry()
    {
        if (!_block.AsSpan().ContainsAnyExcept((byte)0)) // two such end the archive
        {
            (_isLongName, _passes) = (false, true);
            return;
        }
        if (SumOf(_block) != Octal(_block.AsSpan(ChecksumAt, 8)))
            throw new InvalidDataException("What came out of the sandbox is no archive.");
        var kind = (char)_block[KindAt];
        var size = SizeOf(_block.AsSpan(SizeAt, 12));
        if (!Kinds.Contains(kind) || (size > 0 && kind is >= '1' and <= '6')) // what is no file has no content; readers differ in what they make of it
            throw new InvalidDataException($"What came out of the sandbox has an entry of the kind '{kind}' with {size} bytes, which is not known here.");
        _isLongName = kind is 'L' or 'K';
        if (_isLongName && size + _ahead.Length > MaxLongName)
            throw new InvalidDataException("What came out of the sandbox has a name of more than a mebibyte.");
        _passes = _isLongName || kind is not ('3' or '4' or '6');
        _data = (size + Block - 1) / Block * Block;
        if (!_passes && _leftOut.Count < 100)
            _leftOut.Add(Encoding.UTF8.GetString(_block.AsSpan(0, Math.Max(0, _block.AsSpan(0, 100).IndexOf((byte)0)))));
        if (_passes && !_isLongName)
            Tame();
    }

    // Permissions only; then the checksum is another.
    private void Tame()
    {
        Write(_block.AsSpan(ModeAt, 8), Octal(_block.AsSpan(ModeAt, 8)) & 0x1FF, 7);
        Write(_block.AsSpan(ChecksumAt, 8), SumOf(_block), 6);
        _block[ChecksumAt + 7] = (byte)' ';
    }

    private static void Write(Span<byte> field, long value, int digits) =>
        Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(digits, '0') + '\0', field);

    private static long SumOf(ReadOnlySpan<byte> block)
    {
        long sum = 8 * ' '; // the field itself counts as blanks
        for (var i = 0; i < Block; i++)
            sum += i is >= ChecksumAt and < ChecksumAt + 8 ? 0 : block[i];
        return sum;
    }

    // Octal digits; of 8 GiB and more a binary number, its first bit set.
    private static long SizeOf(ReadOnlySpan<byte> field)
    {
        var size = field[0] < 0x80 ? Octal(field) : BinaryPrimitives.ReadInt64BigEndian(field[4..]);
        return size is >= 0 and < long.MaxValue / 2 ? size : throw new InvalidDataException("What came out of the sandbox has an entry without a sensible size.");
    }

    private static long Octal(ReadOnlySpan<byte> field)
    {
        long value = 0;
        foreach (var digit in field.Trim((byte)' '))
        {
            if (digit is 0 or (byte)' ')
                break;
            if (digit is < (byte)'0' or > (byte)'7')
                throw new InvalidDataException("What came out of the sandbox is no archive.");
            value = (value << 3) | (uint)(digit - '0');
        }
        return value;
    }
}
