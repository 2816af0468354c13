using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Http;
using Mitos.FirecrackerFake.Machine;
using Mitos.FirecrackerFake.Plan;
using Mitos.FirecrackerFake.Spec;

const int Failed = 1, BadArguments = 153;

CommandLine arguments;
try
{
    arguments = new CommandLine(args);
}
catch (ArgumentException e)
{
    return End($"Arguments parsing error: {e.Message} \n\nFor more information try --help.", BadArguments);
}
var planPath = Environment.GetEnvironmentVariable("FAKE_PLAN");
var release = new Release(Version.Parse(FakePlan.Read(planPath).Version));
if (arguments.Has("version"))
{
    Console.WriteLine($"Firecracker v{release.Text}\n");
    return 0;
}
if (arguments.Has("snapshot-version"))
{
    Console.WriteLine($"v{release.SnapshotFormat}.0.0");
    return 0;
}
if (arguments.Has("describe-snapshot"))
{
    Console.WriteLine($"v{StateFile.ReadFormat(File.ReadAllBytes(arguments.Value("describe-snapshot", ""))).Text}");
    return 0;
}

var id = arguments.Value("id", "anonymous-instance");
if (id.Length is 0 or > 64 || !id.All(c => c == '-' || char.IsLetterOrDigit(c)))
    return End($"Invalid instance ID: '{id}'", Failed);
var planner = new Planner(planPath, id);
if (planner.Begin("start") is { Do: FakeAct.Refuse } refusal)
    return End(refusal.Text, refusal.Code);
var socketPath = arguments.Value("api-sock", "/run/firecracker.socket");
var server = new ApiServer(id, planner, Specification.Load(), int.Parse(arguments.Value("http-api-max-payload-size", "51200")));
if (arguments.Has("config-file") && Configure(arguments.Value("config-file", "")) is { } wrong)
    return End($"Configuration for VMM from one single json failed: {wrong}", Failed);
if (arguments.Has("no-api"))
    Thread.Sleep(Timeout.Infinite);
try
{
    using var listener = ApiServer.Bind(socketPath);
    server.Serve(listener);
    return 0;
}
catch (SocketException)
{
    return End($"RunWithApiError error: Failed to open the API socket at: {socketPath}. Check that it is not already used.", Failed);
}

int End(string words, int code)
{
    Console.Error.WriteLine($"Error: {words}");
    return code;
}

// A machine in one file: its parts are put in order, then it is started.
string? Configure(string path)
{
    var parts = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
    var requests = new List<HttpRequest>();
    foreach (var (name, value) in parts)
    {
        if (name is "drives" or "network-interfaces")
            requests.AddRange(value!.AsArray().Select(item => Put($"/{name}/{item!["drive_id"] ?? item["iface_id"]}", item)));
        else if (value is not null)
            requests.Add(Put($"/{(name == "mmds-config" ? "mmds/config" : name)}", value));
    }
    requests.Add(Put("/actions", new JsonObject { ["action_type"] = "InstanceStart" }));
    return requests.Select(server.Run).FirstOrDefault(answer => answer.Status >= 300)?.Body;
}

static HttpRequest Put(string path, JsonNode body) => new("PUT", path, Encoding.UTF8.GetBytes(body.ToJsonString()));
