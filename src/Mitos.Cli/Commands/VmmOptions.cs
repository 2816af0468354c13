using System.CommandLine;

namespace Mitos.Cli.Commands;

/// <summary>--vmm, --accel, --firecracker: which VMM a daemon or a check that is started here uses. They stand for their variables.</summary>
internal sealed class VmmOptions
{
    private readonly Option<string?> _vmm = new("--vmm") { Description = "Which VMM: auto, firecracker or qemu (default: auto)", HelpName = "vmm" };
    private readonly Option<string?> _accelerator = new("--accel") { Description = "How it runs guests: auto, kvm or tcg (default: auto)", HelpName = "accelerator" };
    private readonly Option<string?> _firecracker = new("--firecracker") { Description = "Firecracker's binary (default: /usr/local/bin/firecracker)", HelpName = "path" };

    public VmmOptions()
    {
        _vmm.AcceptOnlyFromAmong("auto", "firecracker", "qemu");
        _accelerator.AcceptOnlyFromAmong("auto", "kvm", "tcg");
    }

    /// <summary>Adds them to a command.</summary>
    public Command AddTo(Command command)
    {
        command.Options.Add(_vmm);
        command.Options.Add(_accelerator);
        command.Options.Add(_firecracker);
        return command;
    }

    /// <summary>Whether any was given.</summary>
    public bool Given(ParseResult result) => result.GetValue(_vmm) is not null || result.GetValue(_accelerator) is not null || result.GetValue(_firecracker) is not null;

    /// <summary>For the programs that are started from here on.</summary>
    public void Apply(ParseResult result)
    {
        foreach (var (variable, value) in new[] { ("MITOS_VMM", result.GetValue(_vmm)), ("MITOS_ACCEL", result.GetValue(_accelerator)), ("MITOS_FIRECRACKER", result.GetValue(_firecracker)) })
        {
            if (value is not null)
                Environment.SetEnvironmentVariable(variable, value);
        }
    }
}
