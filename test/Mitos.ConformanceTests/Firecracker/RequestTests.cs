using Mitos.Engine.SelfTest;
using Mitos.Engine.Vmm.Firecracker;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>What the driver asks of each release: requests that it has (the fake refuses all others), in the order of docs/vmm-firecracker.md.</summary>
public sealed class RequestTests
{
    private const string Unlimited = """PATCH /drives/disk0 {"drive_id":"disk0","rate_limiter":{"bandwidth":{"size":0,"refill_time":1000},"ops":{"size":0,"refill_time":1000}}} 204""";

    private const string Version = "GET /version  200", Paused = """PATCH /vm {"state":"Paused"} 204""", Resumed = """PATCH /vm {"state":"Resumed"} 204""",
        SaveAll = """PUT /snapshot/create {"snapshot_type":"Full","snapshot_path":"/proc/self/fd/4","mem_file_path":"/proc/self/fd/3"} 204""",
        SaveState = """PUT /snapshot/create {"snapshot_type":"Full","snapshot_path":"/proc/self/fd/4","mem_file_path":"/dev/null/none"} 400""",
        SaveDiff = """PUT /snapshot/create {"snapshot_type":"Diff","snapshot_path":"/proc/self/fd/4","mem_file_path":"/proc/self/fd/6"} 204""";

    private static readonly string[] Boots =
    [
        """PUT /machine-config {"vcpu_count":1,"mem_size_mib":128} 204""",
        """PUT /boot-source {"kernel_image_path":"/proc/self/fd/7","boot_args":"*"} 204""",
        """PUT /drives/disk0 {"drive_id":"disk0","path_on_host":"/proc/self/fd/5","is_root_device":false,"is_read_only":false,"cache_type":"Unsafe","io_engine":"Sync"} 204""",
        """PUT /vsock {"guest_cid":3,"uds_path":"agent"} 204""",
        "PUT /entropy {} 204",
        """PUT /actions {"action_type":"InstanceStart"} 204""",
    ];

    public static TheoryData<string, FirecrackerSave> Cases
    {
        get
        {
            var cases = new TheoryData<string, FirecrackerSave>();
            foreach (var version in (string[])["1.13.1", "1.14.2", "1.15.0", "1.16.0", "1.16.1", "1.17.0"])
            {
                cases.Add(version, FirecrackerSave.StateOnly);
                cases.Add(version, FirecrackerSave.Diff);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Every_request_is_one_that_the_release_has_and_in_order(string version, FirecrackerSave save)
    {
        await using var rig = await FakeRig.StartAsync(new FakePlan { Version = version }, save);
        await using var source = await rig.Rig.StartMachineAsync(FakeRig.Token);
        using var capture = await rig.Rig.CaptureAsync(source);
        await using var child = await rig.Rig.BirthAsync(capture, FakeRig.Token);
        using var again = await rig.Rig.CaptureAsync(child);
        foreach (var machine in (ProbeMachine[])[source, child])
        {
            await machine.ReconnectAsync(FakeRig.Token); // by vsock, which some releases hold back after a pause without a snapshot
            await machine.Probe.PingAsync([1], FakeRig.Token);
        }

        var log = rig.Fake.ReadLog();
        var machines = log.Select(request => request.Machine).Distinct().ToList();
        var capturing = save == FirecrackerSave.StateOnly ? SaveState : SaveDiff;
        Assert.Equal([machines[0], source.Machine.Spec.Id, child.Machine.Spec.Id], machines);
        Assert.Equal([Version, .. Boots, Paused, SaveAll], Of(machines[0]));
        string[] lift = source.Machine.Spec.DiskLimit is null ? [] : [Unlimited]; // where cgroups cannot limit disks
        Assert.Equal([Version, Load(save), .. lift, Resumed, Paused, capturing, Resumed], Of(source.Machine.Spec.Id));
        Assert.Equal([Version, Load(save), .. lift, Resumed, Paused, capturing, Resumed], Of(child.Machine.Spec.Id));

        List<string> Of(string id) => log.Where(request => request.Machine == id).Select(Describe).ToList();
    }

    private static string Load(FirecrackerSave save)
    {
        var memory = """{"backend_type":"File","backend_path":"/proc/self/fd/3"}""";
        var tracks = save == FirecrackerSave.Diff ? "true" : "false";
        return $$"""PUT /snapshot/load {"track_dirty_pages":{{tracks}},"snapshot_path":"/proc/self/fd/4","resume_vm":false,"mem_backend":{{memory}}""" + "} 204";
    }

    // The kernel's command line is the one part that is not the API's.
    private static string Describe(FakeRequest request)
    {
        var body = request.Body;
        const string Line = "\"boot_args\":\"";
        if (body.IndexOf(Line, StringComparison.Ordinal) is var at and >= 0)
            body = body[..(at + Line.Length)] + "*" + body[body.IndexOf('"', at + Line.Length)..];
        return $"{request.Method} {request.Path} {body} {request.Status}";
    }
}
