using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Hosting;

/// <summary>Memory files with known content.</summary>
internal static class Memories
{
    public const int Page = PageBuffer.PageSize;

    /// <param name="mib">Length.</param>
    /// <param name="pages">Pages that are not zero; each is full of random bytes, or of zeros but for one.</param>
    public static (MemoryFile File, byte[] Content) Create(int mib, IEnumerable<ushort> pages)
    {
        var content = new byte[mib << 20];
        var file = MemoryFile.Create("test", content.Length);
        foreach (var page in pages)
        {
            var place = page % (content.Length / Page) * Page;
            if (page % 3 == 0)
                content[place + (page % Page)] = 1;
            else
                Random.Shared.NextBytes(content.AsSpan(place, Page));
            RandomAccess.Write(file.Handle, content.AsSpan(place, Page), place);
        }
        return (file, content);
    }

    public static byte[] Read(MemoryFile file)
    {
        var content = new byte[file.Length];
        Assert.Equal(content.Length, RandomAccess.Read(file.Handle, content, 0));
        return content;
    }
}
