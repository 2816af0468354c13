using System.Globalization;
using System.Text.RegularExpressions;

namespace Mitos.Server.Tests.Observability;

/// <summary>Prometheus' text format, read strictly: a line is a comment, or a sample of a family whose type was said before.</summary>
internal sealed partial class PrometheusText
{
    private readonly Dictionary<string, string> _types = [];
    private readonly List<(string Name, Dictionary<string, string> Labels, double Value)> _samples = [];

    public PrometheusText(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var words = line.Split(' ');
                Assert.True(_types.TryAdd(words[2], words[3]), $"{words[2]} comes twice");
            }
            else if (line.StartsWith("# HELP ", StringComparison.Ordinal) || line.StartsWith("# UNIT ", StringComparison.Ordinal) || line == "# EOF")
            {
                continue;
            }
            else
            {
                var sample = Sample().Match(line);
                Assert.True(sample.Success, line);
                var name = sample.Groups["name"].Value;
                Assert.True(_types.ContainsKey(name) || _types.GetValueOrDefault(Suffix().Replace(name, "")) is "histogram" or "summary", $"{name} has no type");
                var labels = Label().Matches(sample.Groups["labels"].Value).ToDictionary(label => label.Groups[1].Value, label => label.Groups[2].Value);
                _samples.Add((name, labels, double.Parse(sample.Groups["value"].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture)));
            }
        }
    }

    public IEnumerable<string> Families => _types.Keys;

    /// <summary>The sum of all samples of a name that have these labels; 0: there is none.</summary>
    public double this[string name, params (string Name, string Value)[] labels] =>
        _samples.Where(sample => sample.Name == name && labels.All(label => sample.Labels.GetValueOrDefault(label.Name) == label.Value)).Sum(sample => sample.Value);

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<labels>([a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\])*",?)*)\})? (?<value>[-+.0-9eEInfaN]+)( \d+)?$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\.|[^"\\])*)" ?""")]
    private static partial Regex Label();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}
