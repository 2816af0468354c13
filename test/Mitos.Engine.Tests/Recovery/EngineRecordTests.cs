using System.Text.Json.Nodes;
using Mitos.Engine.Errors;
using Mitos.Engine.Recovery;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Recovery;

public sealed class EngineRecordTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private string FilePath => _scratch["engine.json"];

    [Fact]
    public void A_new_state_directory_gets_an_id_that_stays()
    {
        var first = EngineRecord.Open(_scratch.Root);
        Assert.Matches("^[0-9a-f]{8}$", first.Id);
        Assert.Equal(EngineRecord.CurrentFormat, first.Format);
        Assert.Equal(first, EngineRecord.Open(_scratch.Root));
    }

    [Fact]
    public void A_record_from_before_formats_had_numbers_is_of_the_first()
    {
        File.WriteAllText(FilePath, """{ "id": "0123abcd" }""");
        Assert.Equal(new EngineRecord("0123abcd", 1), EngineRecord.Open(_scratch.Root));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(EngineRecord.CurrentFormat + 1)]
    [InlineData(int.MaxValue)]
    public void The_state_of_another_version_is_refused_and_left_as_it_is(int format)
    {
        var text = new JsonObject { ["id"] = "0123abcd", ["format"] = format, ["something"] = "of the future" }.ToJsonString();
        File.WriteAllText(FilePath, text);
        var error = Refusal.Check(ErrorCode.FailedPrecondition, _scratch.Root, () => EngineRecord.Open(_scratch.Root));
        Assert.Contains($"format {format}", error.Message, StringComparison.Ordinal);
        Assert.Contains("MITOS_STATE", error.Remedy, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(FilePath));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{ \"id\": \"0123")]
    [InlineData("{ \"id\": null }")]
    [InlineData("{ \"id\": \"../../x\" }")]
    [InlineData("{ \"id\": \"0123abcd\", \"format\": \"new\" }")]
    public void A_damaged_record_is_refused_and_not_replaced_for_its_machines_would_be_forgotten(string text)
    {
        File.WriteAllText(FilePath, text);
        Refusal.Check(ErrorCode.FailedPrecondition, FilePath, () => EngineRecord.Open(_scratch.Root));
        Assert.Equal(text, File.ReadAllText(FilePath));
    }

    public void Dispose() => _scratch.Dispose();
}
