using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Spec;

namespace Mitos.FirecrackerFake.Tests;

public sealed class SpecificationTests
{
    private static readonly Specification Spec = Specification.Load();

    [Fact]
    public void All_requests_of_the_file_are_known_with_their_bodies()
    {
        Assert.Equal(38, Spec.Operations.Count);
        Assert.All(Spec.Operations, operation => Assert.Equal(operation.Method != "GET" && operation.Path != "/balloon/hinting/stop", operation.Body is not null));
    }

    [Theory]
    [InlineData("PUT", "/drives/rootfs", "PUT /drives/{drive_id}", "rootfs")]
    [InlineData("PATCH", "/vm", "PATCH /vm", null)]
    [InlineData("GET", "/vm/config", "GET /vm/config", null)]
    [InlineData("GET", "/", "GET /", null)]
    public void A_path_finds_its_operation(string method, string path, string name, string? id)
    {
        var found = Spec.Find(method, path);
        Assert.Equal((name, id), (found!.Value.Operation.Name, found.Value.Id));
    }

    [Theory]
    [InlineData("PUT", "/vm")]
    [InlineData("GET", "/drives/rootfs")]
    [InlineData("PUT", "/drives/a/b")]
    [InlineData("PUT", "/nothing")]
    public void Other_paths_find_none(string method, string path) => Assert.Null(Spec.Find(method, path));

    [Theory]
    [InlineData("Vsock", """{"guest_cid":3,"uds_path":"v"}""", null)]
    [InlineData("Vsock", """{"guest_cid":3,"uds_path":"v","vsock_id":null}""", null)]
    [InlineData("Vsock", """{"guest_cid":3}""", "missing field `uds_path`")]
    [InlineData("Vsock", """{"guest_cid":null,"uds_path":"v"}""", "invalid type: null, expected an integer")]
    [InlineData("Vsock", """{"guest_cid":3,"uds_path":"v","port":1}""", "unknown field `port`, expected one of `guest_cid`, `uds_path`, `vsock_id`")]
    [InlineData("Vsock", """{"guest_cid":"3","uds_path":"v"}""", "invalid type: string \"3\", expected an integer")]
    [InlineData("Vsock", """{"guest_cid":3.5,"uds_path":"v"}""", "invalid type: floating point `3.5`, expected an integer")]
    [InlineData("Vsock", """{"guest_cid":2,"uds_path":"v"}""", "invalid value: integer `2`, expected 3 to 18446744073709551615")]
    [InlineData("Vsock", """{"guest_cid":-3,"uds_path":"v"}""", "invalid value: integer `-3`, expected 3 to 18446744073709551615")]
    [InlineData("Vsock", """{"guest_cid":3,"uds_path":7}""", "invalid type: integer `7`, expected a string")]
    [InlineData("Vsock", "[]", "invalid type: sequence, expected a map")]
    [InlineData("Vsock", "null", "invalid type: null, expected a map")]
    [InlineData("Vm", """{"state":"Running"}""", "unknown variant `Running`, expected `Paused` or `Resumed`")]
    [InlineData("SnapshotLoadParams", """{"snapshot_path":"s","mem_backend":{"backend_type":"Tape","backend_path":"m"}}""", "unknown variant `Tape`, expected `File` or `Uffd`")]
    [InlineData("SnapshotLoadParams", """{"snapshot_path":"s","mem_backend":{"backend_type":"File"}}""", "missing field `backend_path`")]
    [InlineData("SnapshotLoadParams", """{"snapshot_path":"s","network_overrides":[{"iface_id":"a"}]}""", "missing field `host_dev_name`")]
    [InlineData("SnapshotLoadParams", """{"snapshot_path":"s","network_overrides":{}}""", "invalid type: map, expected a sequence")]
    [InlineData("SnapshotLoadParams", """{"snapshot_path":"s","resume_vm":1}""", "invalid type: integer `1`, expected a boolean")]
    [InlineData("Drive", """{"drive_id":"d","is_root_device":false,"rate_limiter":{"ops":{"size":1}}}""", "missing field `refill_time`")]
    [InlineData("Drive", """{"drive_id":"d","is_root_device":false,"rate_limiter":{"ops":{"size":1,"refill_time":2}}}""", null)]
    [InlineData("MmdsContentsObject", """{"any":{"thing":[1,"b"]}}""", null)]
    [InlineData("Metrics", """{"metrics_path":"m","properties":{"a":"b"}}""", null)]
    [InlineData("Metrics", """{"metrics_path":"m","properties":{"a":1}}""", "invalid type: integer `1`, expected a string")]
    [InlineData("EntropyDevice", "{}", null)]
    [InlineData("MachineConfiguration", """{"mem_size_mib":1,"vcpu_count":33}""", "invalid value: integer `33`, expected 1 to 32")]
    public void A_body_is_checked(string definition, string body, string? wrong) => Assert.Equal(wrong, Spec.Definition(definition).Check(JsonNode.Parse(body)));

    [Theory]
    [InlineData("1.13.2", "PUT", "/serial", null, false)]
    [InlineData("1.14.0", "PUT", "/serial", null, true)]
    [InlineData("1.15.9", "PUT", "/snapshot/load", "vsock_override", false)]
    [InlineData("1.16.1", "PUT", "/snapshot/load", "vsock_override", true)]
    [InlineData("1.16.1", "PUT", "/snapshot/load", "huge_pages", false)]
    [InlineData("1.17.0", "PUT", "/snapshot/load", "huge_pages", true)]
    [InlineData("1.12.1", "PUT", "/snapshot/load", "track_dirty_pages", false)]
    [InlineData("1.12.1", "PUT", "/snapshot/load", "enable_diff_snapshots", true)]
    public void A_release_knows_what_it_had(string version, string method, string path, string? field, bool knows)
    {
        var (operation, _) = Spec.Find(method, path)!.Value;
        var release = new Release(Version.Parse(version));
        Assert.Equal(knows, field is null ? release.Knows(operation) : release.CheckFields(operation, new JsonObject { [field] = null }) is null);
    }

    /// <summary>Every field that is named as new is one of the specification: a slip of the pen would switch the check off.</summary>
    [Fact]
    public void A_release_of_long_ago_refuses_only_fields_that_exist()
    {
        var ancient = new Release(new Version(1, 0, 0));
        var refused = Spec.Operations.Where(operation => operation.Body is not null)
            .SelectMany(operation => operation.Body!.Properties.Keys.Where(field => ancient.CheckFields(operation, new JsonObject { [field] = null }) is not null).Select(field => $"{operation.Name} {field}"));
        Assert.Equal(11, refused.Count());
        Assert.Equal(9, Spec.Operations.Count(operation => !ancient.Knows(operation)));
    }
}
