using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Files;

public sealed class FileTests(ServerFixture server)
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(49_152)] // one piece on the way to the guest
    [InlineData(49_153)]
    [InlineData(3_000_000)]
    public async Task A_file_comes_back_byte_for_byte(int length)
    {
        var bytes = RandomNumberGenerator.GetBytes(length);
        var address = await AtAsync($"?path=/tmp/files/{length}");
        var written = await server.Http.PutAsync(address, new ByteArrayContent(bytes)).ReadAsync<WrittenBody>();
        Assert.Equal(length, written.Bytes);
        Assert.Equal(bytes, await server.Http.GetByteArrayAsync(address));
        await server.Http.DeleteAsync(address).DoneAsync();
    }

    [Theory]
    [InlineData("/tmp/a b")]
    [InlineData("/tmp/ünïcode 💣")]
    [InlineData("/tmp/quote'\"$(x)")]
    [InlineData("/tmp/line\nbreak")]
    [InlineData("/tmp/%2e%2e+&=?#")]
    [InlineData("relative/to/home")]
    [InlineData("~/tilde")]
    [InlineData("../user/up-and-down")]
    public async Task Any_name_that_Linux_takes_is_taken(string path)
    {
        var id = await server.ShareAsync();
        await server.Client.WriteFileAsync(id, path, new MemoryStream(Encoding.UTF8.GetBytes(path)));
        using var read = new MemoryStream();
        await server.Client.ReadFileAsync(id, path, read);
        Assert.Equal(path, Encoding.UTF8.GetString(read.ToArray()));
        Assert.StartsWith("/", (await server.Client.StatAsync(id, path)).Path, StringComparison.Ordinal);
        await server.Client.RemoveFileAsync(id, path);
    }

    [Fact]
    public async Task Kinds_modes_owners_and_links_are_told()
    {
        var id = await server.ShareAsync();
        await server.Client.WriteFileAsync(id, "/tmp/kinds/file", new MemoryStream(new byte[5]), "750");
        await server.Client.ExecAsync(id, new ExecRequest { Cmd = "cd /tmp/kinds && ln -s file link && mkfifo pipe && mkdir -p dir/deep" });
        var list = (await server.Client.ListFilesAsync(id, "/tmp/kinds", depth: 2)).ToDictionary(file => file.Path);
        Assert.Equal(["/tmp/kinds/dir", "/tmp/kinds/dir/deep", "/tmp/kinds/file", "/tmp/kinds/link", "/tmp/kinds/pipe"], list.Keys.Order(StringComparer.Ordinal));
        Assert.True(list["/tmp/kinds/file"] is { Kind: "file", Mode: "750", SizeBytes: 5, UserId: 1000, LinkTarget: null });
        Assert.True(list["/tmp/kinds/link"] is { Kind: "link", LinkTarget: "file" });
        Assert.True(list["/tmp/kinds/pipe"] is { Kind: "other" });
        Assert.True(list["/tmp/kinds/dir"] is { Kind: "directory" });
        Assert.InRange(list["/tmp/kinds/file"].ModifiedAt, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
        Assert.Equal(4, (await server.Client.ListFilesAsync(id, "/tmp/kinds")).Count);
        await server.Client.RemoveFileAsync(id, "/tmp/kinds", recursive: true);
    }

    [Fact]
    public async Task Directories_are_made_moved_and_removed()
    {
        var id = await server.ShareAsync();
        await server.Client.MakeDirectoryAsync(id, "/tmp/dirs/a/b/c");
        await server.Client.MakeDirectoryAsync(id, "/tmp/dirs/a/b/c"); // there already
        await server.Client.MoveFileAsync(id, "/tmp/dirs/a", "/tmp/dirs/z");
        Assert.Equal("directory", (await server.Client.StatAsync(id, "/tmp/dirs/z/b/c")).Kind);
        var error = await server.Http.DeleteAsync(await AtAsync("?path=/tmp/dirs")).RefusedAsync(412);
        Assert.Contains("recursive", error.Remedy, StringComparison.Ordinal);
        await server.Http.DeleteAsync(await AtAsync("?path=/tmp/dirs&recursive=true")).DoneAsync();
        await server.Http.GetAsync(await AtAsync("/stat?path=/tmp/dirs")).RefusedAsync(404);
    }

    [Fact]
    public async Task A_file_of_the_kernel_whose_size_is_not_known_is_read_whole()
    {
        var text = await server.Http.GetStringAsync(await AtAsync("?path=/proc/meminfo"));
        Assert.Contains("MemTotal", text, StringComparison.Ordinal);
        Assert.Contains("DirectMap", text, StringComparison.Ordinal); // near its end
    }

    [Theory]
    [InlineData("GET", "?path=/no/such/file", 404, "files/list")]
    [InlineData("GET", "?path=", 400, "openapi")]
    [InlineData("GET", "?path=..", 412, "List")]
    [InlineData("GET", "?path=../../../etc/passwd/x", 412, "another path")]
    [InlineData("GET", "?path=a%00b", 400, "openapi")]
    [InlineData("GET", "?path=LONG", 400, "openapi")]
    [InlineData("GET", "?path=/etc/shadow", 412, "root")]
    [InlineData("GET", "?path=/etc/passwd&user=nobody-has-this-name", 404, "user of the guest")]
    [InlineData("GET", "?path=/tmp&user=a%00b", 404, "user of the guest")]
    [InlineData("PUT", "?path=/etc/forbidden", 412, "root")]
    [InlineData("PUT", "?path=/tmp", 412, "in it")]
    [InlineData("PUT", "?path=/etc/passwd/x", 412, "another path")]
    [InlineData("PUT", "?path=a%00b", 400, "openapi")]
    [InlineData("PUT", "?path=LONG", 400, "openapi")]
    [InlineData("PUT", "?path=/tmp/x&mode=9", 400, "octal")]
    [InlineData("PUT", "?path=/tmp/x&mode=77777", 400, "octal")]
    [InlineData("PUT", "?path=/tmp/x&mode=0", 400, "octal")]
    [InlineData("PUT", "?path=/tmp/x&mode=-1", 400, "octal")]
    [InlineData("DELETE", "?path=/no/such/file", 404, "files/list")]
    [InlineData("DELETE", "?path=/etc/passwd", 412, "root")]
    [InlineData("DELETE", "?path=LONG", 400, "openapi")]
    [InlineData("GET", "/list?path=/etc/passwd", 412, "another path")]
    [InlineData("GET", "/list?path=/tmp&depth=0", 400, "1 to 64")]
    [InlineData("GET", "/list?path=/tmp&depth=-1", 400, "1 to 64")]
    [InlineData("GET", "/list?path=/tmp&depth=101", 400, "1 to 64")]
    [InlineData("GET", "/list?path=LONG", 400, "openapi")]
    [InlineData("GET", "/stat?path=a%00b", 400, "openapi")]
    [InlineData("POST", "/mkdir?path=/etc/passwd/x", 412, "another path")]
    [InlineData("POST", "/mkdir?path=LONG", 400, "openapi")]
    [InlineData("POST", "/move", 400, "from and to")]
    public async Task What_cannot_be_done_with_a_path_is_refused_with_a_remedy(string method, string rest, int status, string remedy)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), await AtAsync(rest.Replace("LONG", new string('x', 5000), StringComparison.Ordinal)));
        request.Content = method switch { "PUT" => new ByteArrayContent([1, 2, 3]), "POST" => HttpRequests.Json("""{"from":"","to":"x"}"""), _ => null };
        var error = await server.Http.SendAsync(request).RefusedAsync(status);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upload_that_is_cut_off_leaves_the_old_file_and_no_draft()
    {
        var id = await server.ShareAsync();
        await server.Client.WriteFileAsync(id, "/tmp/cut/file", new MemoryStream("old"u8.ToArray()));
        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(server.Address.Host, server.Address.Port);
            var head = $"PUT /v1/sandboxes/{id}/files?path=/tmp/cut/file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.Key}\r\nContent-Length: 2000000\r\n\r\n";
            await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head));
            await connection.GetStream().WriteAsync(new byte[700_000]);
            await AwaitAsync(async () => (await server.Client.ListFilesAsync(id, "/tmp/cut")).Any(file => file.Path != "/tmp/cut/file"));
        }
        await AwaitAsync(async () => (await server.Client.ListFilesAsync(id, "/tmp/cut")).Count == 1);
        Assert.Equal("old", await server.Http.GetStringAsync(await AtAsync("?path=/tmp/cut/file")));
        await server.Client.RemoveFileAsync(id, "/tmp/cut", recursive: true);
    }

    [Fact]
    public async Task An_upload_of_more_than_the_limit_of_other_bodies_is_taken_and_a_full_disk_is_told()
    {
        var id = await server.ShareAsync();
        using var content = new StreamContent(new Zeros(40 << 20)) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        var written = await server.Http.PutAsync(await AtAsync("?path=/tmp/large"), content).ReadAsync<WrittenBody>();
        Assert.Equal(40 << 20, written.Bytes);
        await server.Client.RemoveFileAsync(id, "/tmp/large");

        await server.Client.ExecAsync(id, new ExecRequest { Cmd = "mkdir /tmp/small && mount -t tmpfs -o size=1M none /tmp/small", User = "root" });
        using var tooMuch = new StreamContent(new Zeros(3 << 20));
        var error = await server.Http.PutAsync(await AtAsync("?path=/tmp/small/file&user=root"), tooMuch).RefusedAsync(507);
        Assert.Equal(ErrorCodes.Exhausted, error.Code);
        Assert.Empty(await server.Client.ListFilesAsync(id, "/tmp/small"));
        await server.Client.ExecAsync(id, new ExecRequest { Cmd = "umount /tmp/small", User = "root" });
    }

    [Fact]
    public async Task A_download_whose_machine_ends_is_not_taken_for_the_whole_file()
    {
        await using var sandbox = await server.CreateAsync();
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "truncate -s 1G sparse" });
        using var response = await server.Http.GetAsync($"v1/sandboxes/{sandbox.Id}/files?path=sparse", HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[1 << 20]);
        Vmm.Signal(sandbox.VmmPid, Vmm.Kill);
        await Assert.ThrowsAnyAsync<IOException>(() => body.CopyToAsync(Stream.Null, ServerFixture.Soon));
    }

    private static async Task AwaitAsync(Func<Task<bool>> condition)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; !await condition(); await Task.Delay(100))
            Assert.True(DateTime.UtcNow < until, "it did not come to be");
    }

    private async Task<string> AtAsync(string rest) => $"v1/sandboxes/{await server.ShareAsync()}/files{rest}";
}
