using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;

namespace Mitos.MachineTests;

public sealed class TemplateTests(MachineFixture machines)
{
    [Fact]
    public async Task A_template_built_on_another_is_frozen_running_and_its_sandboxes_have_its_processes_also_when_they_boot()
    {
        var spec = new BuildTemplateSpec
        {
            Name = "server",
            From = "base",
            Steps = [new BuildStep { Run = "mkdir /srv/www && echo hello > /srv/www/index.html" }],
            Environment = new Dictionary<string, string> { ["FLAVOUR"] = "mint" },
            StartCommand = "echo $FLAVOUR >> /var/tmp/started; cd /srv/www && exec python3 -m http.server 8000 --bind 127.0.0.1",
            ReadyCommand = "curl -sf http://127.0.0.1:8000/",
        };
        var built = await machines.Engine.Templates.BuildAsync(spec, new Progress<BuildProgress>(), CancellationToken.None);
        try
        {
            var again = await machines.Engine.Templates.BuildAsync(spec, new Progress<BuildProgress>(), CancellationToken.None);
            Assert.Equal(built.Generation, again.Generation);
            var sandbox = await machines.Sandboxes.CreateAsync(new CreateSandboxSpec { Template = "server" }, CancellationToken.None);
            Assert.Equal("hello mint", await machines.RunAsync(sandbox.Id, "echo $(curl -s http://127.0.0.1:8000/) $FLAVOUR"));
            await machines.RunAsync(sandbox.Id, "echo mine > /srv/www/index.html");
            await machines.Engine.Snapshots.PauseAsync(sandbox.Id, memory: false, CancellationToken.None);
            await machines.RestartAsync();
            await machines.Engine.Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
            Assert.Equal("mine mint mint mint", await machines.RunAsync(sandbox.Id, "echo $(curl -s http://127.0.0.1:8000/) $FLAVOUR $(cat /var/tmp/started)"));
            var inUse = await Assert.ThrowsAsync<SandboxException>(() => machines.Engine.Templates.RemoveAsync("server", CancellationToken.None));
            Assert.Equal(ErrorCode.FailedPrecondition, inUse.Code);
            await machines.Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
        }
        finally
        {
            await machines.RemoveAllAsync();
            await machines.Engine.Templates.RemoveAsync("server", CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_step_that_fails_is_named_with_its_output_and_leaves_nothing()
    {
        var before = machines.Engine.Templates.List().Count;
        var layers = Directory.GetFiles(Path.Combine(machines.Options.StateDirectory, "layers")).Length;
        var error = await Assert.ThrowsAsync<SandboxException>(() => machines.Engine.Templates.BuildAsync(
            new BuildTemplateSpec { Name = "broken", From = "base", Steps = [new BuildStep { Run = "echo the reason >&2; exit 3" }] }, new Progress<BuildProgress>(), CancellationToken.None));
        Assert.Contains("ended with 3", error.Message, StringComparison.Ordinal);
        Assert.Contains("the reason", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, machines.Engine.Templates.List().Count);
        Assert.True(Directory.GetFiles(Path.Combine(machines.Options.StateDirectory, "layers")).Length <= layers + machines.Options.WarmShells);
    }

    [Fact]
    public async Task Another_shape_of_base_is_made_once_on_demand()
    {
        var sandbox = await machines.Sandboxes.CreateAsync(new CreateSandboxSpec { MemoryMiB = 256, CpuCount = 2 }, CancellationToken.None);
        Assert.Equal("2", await machines.RunAsync(sandbox.Id, "nproc"));
        var total = long.Parse((await machines.RunAsync(sandbox.Id, "grep MemTotal /proc/meminfo")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
        Assert.InRange(total, 150 << 10, 256 << 10);
        var child = (await machines.ForkAsync(sandbox.Id, 1))[0];
        Assert.Equal("2", await machines.RunAsync(child.Id, "nproc"));
        await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        await machines.Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
    }

    // An apt that knows no archive, and a cache that has no kernel: neither is needed to go on with what is there.
    [Fact]
    public async Task A_template_that_is_built_is_kept_with_a_warning_when_no_kernel_can_be_had()
    {
        var generation = machines.Engine.Templates.Get("base").Generation;
        var directory = Directory.CreateTempSubdirectory("mitos-apt-").FullName;
        var configuration = Path.Combine(directory, "apt.conf");
        File.WriteAllText(configuration, $"Dir::Etc \"{directory}\";\nDir::State \"{directory}\";\nDir::Cache \"{directory}\";\n");
        Directory.CreateDirectory(Path.Combine(directory, "lists/partial"));
        Environment.SetEnvironmentVariable("APT_CONFIG", configuration);
        try
        {
            foreach (var options in (EngineOptions[])[machines.Options, machines.Options with { CacheDirectory = Path.Combine(directory, "mitos") }])
            {
                await machines.RestartAsync(options);
                var said = new Lines();
                var built = await machines.Engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base" }, said, CancellationToken.None);
                Assert.Equal(generation, built.Generation);
                Assert.Contains(said.Reported, line => !line.IsOutput && line.Step == "kernel" && line.Message.Contains("be had", StringComparison.Ordinal) && line.Message.Contains("linux-image-cloud-amd64", StringComparison.Ordinal));
                Assert.DoesNotContain(said.Reported, line => line.Step == "boot");
            }
            await Assert.ThrowsAsync<SandboxException>(() => machines.Engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base", NoCache = true }, new Lines(), CancellationToken.None));
        }
        finally
        {
            Environment.SetEnvironmentVariable("APT_CONFIG", null);
            await machines.RestartAsync();
            Directory.Delete(directory, recursive: true);
        }
        Assert.Equal(generation, machines.Engine.Templates.Get("base").Generation);
    }

    private sealed class Lines : IProgress<BuildProgress>
    {
        public List<BuildProgress> Reported { get; } = [];

        public void Report(BuildProgress value) => Reported.Add(value);
    }
}
