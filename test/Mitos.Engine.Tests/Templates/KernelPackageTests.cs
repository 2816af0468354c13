using Mitos.Engine.Errors;
using Mitos.Engine.Templates;

namespace Mitos.Engine.Tests.Templates;

public sealed class KernelPackageTests : IDisposable
{
    private readonly PackageSource _source = new();

    [Fact]
    public async Task A_kernel_that_the_mirror_has_replaced_since_is_looked_up_once_more()
    {
        _source.Publish("6.1.1");
        PackageSource.Update();
        _source.Publish("6.1.2");
        var kernel = await GetAsync();
        Assert.Equal("linux-image-6.1.2-cloud-amd64=6.1.2-1", kernel.Package);
        Assert.Null(kernel.Outdated);
        Assert.Equal(2 << 20, new FileInfo(kernel.Image).Length);
    }

    [Fact]
    public async Task Without_the_mirror_the_kernel_of_the_cache_is_taken_with_the_reason()
    {
        _source.Publish("6.1.1");
        var first = await GetAsync();
        _source.Publish("6.1.2");
        PackageSource.Update();
        _source.Empty();
        var again = await GetAsync(); // the lists name one that cannot be fetched
        Assert.Equal((first.Package, first.Image), (again.Package, again.Image));
        Assert.NotNull(again.Outdated);
        _source.DropLists();
        again = await GetAsync();
        Assert.Equal(first.Image, again.Image);
        Assert.NotNull(again.Outdated);
        Assert.Single(Directory.GetDirectories(_source.Cache)); // no draft
    }

    [Fact]
    public async Task Without_the_mirror_and_a_cache_it_is_refused()
    {
        var error = await Assert.ThrowsAsync<SandboxException>(GetAsync);
        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Empty(Directory.GetDirectories(_source.Cache));
    }

    public void Dispose() => _source.Dispose();

    private Task<Kernel> GetAsync() => new KernelPackage(_source.Cache).GetAsync(_ => { }, TestContext.Current.CancellationToken);
}
