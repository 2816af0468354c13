using System.Security.Cryptography;
using Mitos.Engine;
using Mitos.Engine.Hosts;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Vmm.Firecracker;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>A fake Firecracker, and machines of the Firecracker driver on it: one generation, booted while the fake behaved.</summary>
internal sealed class FakeRig : IAsyncDisposable
{
    private readonly FakePlan _behaving;

    private FakeRig(FakeInstallation fake, FakePlan behaving, EngineOptions options, ProbeRig rig) => (Fake, _behaving, Options, Rig) = (fake, behaving, options, rig);

    public FakeInstallation Fake { get; }

    public EngineOptions Options { get; }

    public ProbeRig Rig { get; }

    /// <summary>Of a test, in ms: a guest that is not there any more answers nothing. Generous, for hosts that do much else.</summary>
    public const int LimitMs = 600_000;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<FakeRig> StartAsync(FakePlan plan, FirecrackerSave save = FirecrackerSave.StateOnly)
    {
        var behaving = plan with { OpensMemoryFirst = save == FirecrackerSave.Diff };
        var fake = new FakeInstallation(behaving);
        try
        {
            var options = NewOptions(fake);
            return new FakeRig(fake, behaving, options, await ProbeRig.StartAsync(Candidate(fake, save), options, SelfTests.Shape, Token));
        }
        catch
        {
            fake.Dispose();
            throw;
        }
    }

    /// <summary>Directories that nobody else has.</summary>
    public static EngineOptions NewOptions(FakeInstallation fake)
    {
        var id = RandomNumberGenerator.GetHexString(6, lowercase: true);
        return new EngineOptions { StateDirectory = $"/var/tmp/mitos-fc-{id}", RunDirectory = $"/tmp/mf-{id}", CacheDirectory = $"/var/tmp/mitos-fc-{id}-cache", VmmFiles = fake.Files };
    }

    /// <summary>With less patience than is usual, for tests that wait for its end.</summary>
    public static VmmCandidate Candidate(FakeInstallation fake, FirecrackerSave save = FirecrackerSave.StateOnly)
    {
        var candidate = VmmProbe.Firecracker(fake.Binary)[(int)save];
        Assert.True(FirecrackerVersion.TryParse(candidate.Facts.Version, out var version));
        return candidate with { Make = layers => new FirecrackerDriver(candidate.Facts, version, save, layers) { StartLimit = TimeSpan.FromSeconds(5) } };
    }

    /// <summary>From the next call on.</summary>
    public void Misbehave(params FakeRule[] rules) => Fake.SetPlan(_behaving with { Rules = rules });

    public void Behave() => Misbehave();

    public async ValueTask DisposeAsync()
    {
        await Rig.DisposeAsync();
        Fake.Dispose();
        Assert.Empty(Holdings.Of(Options));
    }
}
