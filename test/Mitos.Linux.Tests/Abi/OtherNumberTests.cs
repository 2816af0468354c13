namespace Mitos.Linux.Tests.Abi;

/// <summary>The guest agent and the command line are projects without Mitos.Linux; their numbers are read from their sources.</summary>
public sealed class OtherNumberTests
{
    private static readonly List<SourceFile> Sources = [.. SourceFile.ReadAll("src/Mitos.Guest"), .. SourceFile.ReadAll("src/Mitos.Cli")];

    [Fact]
    public void A_number_with_a_comment_is_what_the_comment_calls_it()
    {
        var numbers = Sources.SelectMany(source => source.CommentedNumbers().Select(number => (source.Path, number.Value, number.Name))).ToList();
        Assert.True(numbers.Count > 20, $"only {numbers.Count} were found");
        var values = Headers.Evaluate(numbers.Select(number => number.Name), Shim.Source);
        Assert.All(numbers, number => Assert.True(values[number.Name] == number.Value, $"{number.Path}: {number.Value} is not {number.Name}, {values[number.Name]}"));
    }

    [Fact]
    public void A_constant_has_the_value_of_its_C_name()
    {
        var values = Headers.Evaluate(GuestNumbers.Constants.Select(constant => constant.C), Shim.Source);
        Assert.All(GuestNumbers.Constants, constant =>
        {
            var (file, name, c) = constant;
            var constants = Sources.Single(source => source.Path == file).Constants();
            Assert.True(constants.TryGetValue(name, out var value), $"{file} has no constant {name} any more: bring GuestNumbers up to date.");
            Assert.True(values[c] == value, $"{file}: {name} is {value}; {c} is {values[c]}");
        });
    }

    [Fact]
    public void An_offset_into_a_structure_is_the_header_s()
    {
        var values = Headers.Evaluate(GuestNumbers.Offsets.Select(offset => offset.C));
        Assert.All(GuestNumbers.Offsets, offset =>
        {
            var (file, text, number, c) = offset;
            var source = File.ReadAllText(Path.Combine(SourceFile.Root, file));
            Assert.True(source.Contains(text, StringComparison.Ordinal), $"{file} has no '{text}' any more: bring GuestNumbers up to date.");
            Assert.True(values[c] == number, $"{file}: '{text}' stands for {number}; {c} is {values[c]}");
        });
    }

    [Fact]
    public void A_flag_given_to_the_C_library_is_one_that_its_parameter_has()
    {
        var values = Headers.Evaluate(GuestNumbers.Flags.Values.SelectMany(names => names));
        var calls = Sources.SelectMany(source => source.Calls().Select(call => (source.Path, Call: call))).ToList();
        Assert.True(calls.Count > 40, $"only {calls.Count} were found");
        var unknown = new List<string>();
        foreach (var (path, call) in calls)
        {
            foreach (var (index, argument) in call.Arguments.Index().Where(argument => !GuestNumbers.Counts.Contains((call.Function, argument.Index))))
            {
                var known = GuestNumbers.Flags.GetValueOrDefault((call.Function, index), []).Select(name => values[name]).ToHashSet();
                unknown.AddRange(argument.Values.Where(value => value != 0 && !IsMadeOf(value, known))
                    .Select(value => $"{path}: {value} in {call} is none of the known values of that parameter; add its name to GuestNumbers.Flags"));
            }
        }
        Assert.Empty(unknown);
    }

    private static bool IsMadeOf(long value, HashSet<long> known)
    {
        var all = known.Where(flag => flag > 0 && (value & flag) == flag).Aggregate(0L, (sum, flag) => sum | flag);
        return known.Contains(value) || (value > 0 && all == value);
    }
}
