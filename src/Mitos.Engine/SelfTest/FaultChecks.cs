using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using static Mitos.Engine.SelfTest.SelfTests;

namespace Mitos.Engine.SelfTest;

/// <summary>Is what goes wrong an error, in time, and is nothing left of it?</summary>
internal static class FaultChecks
{
    private const int StopSignal = 19, ContinueSignal = 18;

    public static async Task<string> KilledAndStalledAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        (string Name, Action<IVmm, Deadline> Call)[] calls =
        [
            ("pause", (vmm, deadline) => vmm.Pause(deadline)),
            ("save", (vmm, deadline) => vmm.SaveDeviceState(deadline)),
            ("resume", (vmm, deadline) => vmm.Resume(deadline)),
        ];
        foreach (var (name, call) in calls)
        {
            foreach (var stall in (bool[])[false, true])
            {
                await using var machine = await rig.StartMachineAsync(cancellationToken);
                var vmm = machine.Machine.Vmm;
                vmm.PrepareSave(Deadline.In(TimeSpan.FromSeconds(5)));
                if (stall)
                    Expect(vmm.Process.TrySignal(StopSignal) && await StandsAsync(vmm.Process.Id), "the process cannot be stopped");
                else
                    vmm.Process.Kill();
                var error = await Task.Run(() => ErrorOf(() => call(vmm, Deadline.In(TimeSpan.FromMilliseconds(500)))), CancellationToken.None);
                Expect(error is VmmException, $"{name} of a process that {(stall ? "stands still" : "was killed")} gave {error?.GetType().Name ?? "no error"}");
                if (stall)
                    vmm.Process.TrySignal(ContinueSignal);
            }
        }
        var left = Directory.GetDirectories(rig.Host.RunRoot).Length;
        Expect(left == 0, $"{left} run directories are left");
        return $"{calls.Length * 2} faults";
    }

    public static async Task<string> DamagedStateAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        using var capture = await rig.CaptureAsync(source);
        foreach (var damaged in (byte[][])[[], capture.Capture.DeviceState[..(capture.Capture.DeviceState.Length / 2)], new byte[4096]])
        {
            using var bad = capture.Capture.WithState(damaged);
            var error = await ErrorOfAsync(async () => await (await rig.BirthAsync(new ProbeCapture(bad, default), cancellationToken)).DisposeAsync());
            Expect(error is VmmException, $"a state of {damaged.Length} bytes gave {error?.GetType().Name ?? "no error"}: {error?.Message}");
        }
        await source.ReconnectAsync(cancellationToken);
        await source.Probe.PingAsync([1, 2, 3], cancellationToken);
        return "3 states refused";
    }

    // A thread that runs answers until the signal has reached it.
    private static async Task<bool> StandsAsync(int pid)
    {
        for (var i = 0; i < 1000; i++)
        {
            if (Directory.GetDirectories($"/proc/{pid}/task").All(task => File.ReadAllText(task + "/stat").Split(") ")[^1][0] == 'T'))
                return true;
            await Task.Delay(1);
        }
        return false;
    }

    private static Exception? ErrorOf(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private static async Task<Exception?> ErrorOfAsync(Func<Task> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return e;
        }
    }
}
