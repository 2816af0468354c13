using System.Security.Cryptography;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Templates;

/// <summary>A Debian archive of kernels in a directory, and an apt of its own that knows no other. It is this process's until it is disposed.</summary>
internal sealed class PackageSource : IDisposable
{
    private readonly Scratch _scratch = new();

    public PackageSource()
    {
        foreach (var directory in (string[])["archive", "etc", "state/lists/partial", "cache/archives/partial", "mitos"])
            Directory.CreateDirectory(_scratch[directory]);
        File.WriteAllText(_scratch["state/status"], "");
        File.WriteAllText(_scratch["etc/sources.list"], $"deb [trusted=yes] copy:{_scratch["archive"]} ./\n");
        File.WriteAllText(_scratch["apt.conf"], $"""
            Dir::Etc "{_scratch["etc"]}";
            Dir::State "{_scratch["state"]}";
            Dir::State::status "{_scratch["state/status"]}";
            Dir::Cache "{_scratch["cache"]}";
            APT::Sandbox::User "";
            """);
        Environment.SetEnvironmentVariable("APT_CONFIG", _scratch["apt.conf"]);
    }

    /// <summary>Where kernels are kept.</summary>
    public string Cache => _scratch["mitos"];

    /// <summary>Puts a kernel in the place of the one that was there.</summary>
    public void Publish(string version)
    {
        Empty();
        var (name, tree) = ($"linux-image-{version}-cloud-amd64", _scratch["tree"]);
        Directory.CreateDirectory(Path.Combine(tree, "DEBIAN"));
        Directory.CreateDirectory(Path.Combine(tree, "boot"));
        var control = $"Package: {name}\nVersion: {version}-1\nArchitecture: all\nMaintainer: a test <test@localhost>\nDescription: a kernel\n";
        File.WriteAllText(Path.Combine(tree, "DEBIAN/control"), control);
        File.WriteAllBytes(Path.Combine(tree, "boot/vmlinuz-" + version), Compressed(new byte[2 << 20]));
        var package = _scratch[$"archive/{name}.deb"];
        Tool.Run("dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, package);
        Directory.Delete(tree, recursive: true);
        File.WriteAllText(_scratch["archive/Packages"], $"""
            {control}Filename: ./{name}.deb
            Size: {new FileInfo(package).Length}
            SHA256: {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(package)))}

            Package: linux-image-cloud-amd64
            Version: {version}-1
            Architecture: all
            Maintainer: a test <test@localhost>
            Depends: {name} (= {version}-1)
            Description: the present kernel
            Filename: ./none.deb
            Size: 1
            SHA256: {new string('0', 64)}

            """);
    }

    /// <summary>As if the mirror could not be reached.</summary>
    public void Empty()
    {
        foreach (var file in Directory.GetFiles(_scratch["archive"]))
            File.Delete(file);
    }

    public static void Update() => Tool.Run("apt-get", "update");

    /// <summary>Removes what apt knows of the archive.</summary>
    public void DropLists()
    {
        foreach (var file in Directory.GetFiles(_scratch["state/lists"]))
            File.Delete(file);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("APT_CONFIG", null);
        _scratch.Dispose();
    }

    // LZ4's legacy frame of one block, of literals alone, as it is inside of a kernel.
    private static byte[] Compressed(byte[] content)
    {
        var block = new List<byte> { 0xF0 };
        var left = content.Length - 15;
        for (; left >= 255; left -= 255)
            block.Add(255);
        block.Add((byte)left);
        return [.. "its own code"u8, 0x02, 0x21, 0x4C, 0x18, .. BitConverter.GetBytes(block.Count + content.Length), .. block, .. content];
    }
}
