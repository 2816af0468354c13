namespace Mitos.Probe;

/// <summary>The guest's image: an ELF file that a VMM boots as it boots a kernel. It needs no initramfs and no command line.</summary>
public static class ProbeImage
{
    /// <summary>Beside the program.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    public static string Path
    {
        get
        {
            var path = System.IO.Path.Combine(AppContext.BaseDirectory, "probe.elf");
            return File.Exists(path) ? path : throw new FileNotFoundException("The probe guest is missing beside the program; run ./mitos build.", path);
        }
    }
}
