using System.Globalization;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>
/// A version of Firecracker, and what it can do. Nearly all its request bodies refuse unknown fields, so each field is sent only
/// to a version that has it. Source: docs/vmm-firecracker.md.
/// </summary>
public readonly record struct FirecrackerVersion(int Major, int Minor, int Patch) : IComparable<FirecrackerVersion>
{
    /// <summary>What the engine is built against.</summary>
    public static readonly FirecrackerVersion Pinned = new(1, 16, 1);

    /// <summary>The oldest that it drives.</summary>
    public static readonly FirecrackerVersion Oldest = new(1, 13, 0);

    /// <summary>What follows the numbers: <c>-dev</c> of a build between releases, whose snapshots are no release's.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>After a resume that follows no save, vsock holds back what comes from the host, for ever (their issue 6100).</summary>
    public bool NeedsSaveBeforeResume => this >= new FirecrackerVersion(1, 16, 0) && this <= new FirecrackerVersion(1, 16, 1);

    /// <summary>Reads <c>Firecracker v1.16.1</c>, <c>1.17.0-dev</c> and the like.</summary>
    public static bool TryParse(string text, out FirecrackerVersion version)
    {
        version = default;
        var start = text.AsSpan().IndexOfAnyInRange('0', '9');
        if (start < 0)
            return false;
        var end = start;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
            end++;
        var parts = text[start..end].TrimEnd('.').Split('.');
        if (parts.Length != 3)
            return false;
        var numbers = new int[3];
        for (var i = 0; i < 3; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return false;
        }
        version = new FirecrackerVersion(numbers[0], numbers[1], numbers[2]) { Suffix = text[end..].Split(' ', 2)[0].Trim() };
        return true;
    }

    /// <summary>Why a machine of this size cannot be run by this version; null when it can.</summary>
    public string? WhyNot(long memoryBytes)
    {
        if (this < Oldest)
            return $"Firecracker {this} is older than {Oldest}, the oldest that snapshots as Mitos needs it";
        if (Major != 1)
            return $"Firecracker {this} has another API than the 1.x that Mitos drives";
        if (Minor == 14 && memoryBytes > 3L << 30)
            return $"Firecracker {this} corrupts snapshots of machines of more than 3 GiB (their issue 5705); 1.15 mends it";
        return null;
    }

    public int CompareTo(FirecrackerVersion other) => (Major, Minor, Patch).CompareTo((other.Major, other.Minor, other.Patch));

    public static bool operator <(FirecrackerVersion left, FirecrackerVersion right) => left.CompareTo(right) < 0;

    public static bool operator >(FirecrackerVersion left, FirecrackerVersion right) => left.CompareTo(right) > 0;

    public static bool operator <=(FirecrackerVersion left, FirecrackerVersion right) => left.CompareTo(right) <= 0;

    public static bool operator >=(FirecrackerVersion left, FirecrackerVersion right) => left.CompareTo(right) >= 0;

    public override string ToString() => $"{Major}.{Minor}.{Patch}{Suffix}";
}
