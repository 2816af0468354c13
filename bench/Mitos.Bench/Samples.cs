using System.Text.Json.Nodes;

namespace Mitos.Bench;

/// <summary>Raw samples of one figure, in the unit that its name says.</summary>
internal sealed class Samples
{
    private readonly List<double> _values = [];

    public void Add(double value) => _values.Add(value);

    public double Median => Percentile(0.5);

    /// <summary>Nearest rank.</summary>
    public double Percentile(double rank) =>
        _values.Count == 0 ? 0 : _values.Order().ElementAt((int)Math.Clamp(Math.Ceiling(rank * _values.Count) - 1, 0, _values.Count - 1));

    public JsonObject ToJson()
    {
        var json = Summary();
        json["samples"] = new JsonArray([.. _values.Select(value => (JsonNode)Math.Round(value, 3))]);
        return json;
    }

    /// <summary>Without the samples.</summary>
    public JsonObject Summary() => new() { ["p50"] = Math.Round(Median, 3), ["p99"] = Math.Round(Percentile(0.99), 3), ["count"] = _values.Count };
}
