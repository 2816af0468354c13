using System.Globalization;
using System.Reflection;

namespace Mitos.Linux.Tests.Abi;

public sealed class ConstantTests
{
    private static readonly List<FieldInfo> Constants = typeof(Errno).Assembly.GetTypes()
        .Where(type => type == typeof(Errno) || (type.Namespace == "Mitos.Linux.Abi" && type is { IsAbstract: true, IsSealed: true }))
        .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
        .Where(field => field.IsLiteral && field.FieldType != typeof(string)).ToList();

    [Fact]
    public void Every_number_that_Mitos_Linux_names_is_the_headers()
    {
        Assert.True(Constants.Count > 50);
        var values = Headers.Evaluate(Constants.Select(constant => constant.Name));
        Assert.All(Constants, constant => Assert.True(values[constant.Name] == ValueOf(constant), $"{constant.Name} is {values[constant.Name]} in C, {ValueOf(constant)} here"));
    }

    [Fact]
    public void Mitos_Linux_gives_the_kernel_no_number_without_a_name()
    {
        var sources = SourceFile.ReadAll("src/Mitos.Linux");
        Assert.NotEmpty(sources);
        (string Function, int Argument)[] counts = [("Listen", 1), ("EpollWait", 2)];
        var bare = sources.SelectMany(source => source.Calls().SelectMany(call => call.Arguments.Index().Where(argument => !counts.Contains((call.Function, argument.Index)))
            .SelectMany(argument => argument.Item.Values).Where(value => value is not (0 or 1)).Select(value => $"{source.Path}: {value} in {call}")));
        Assert.Empty(bare);
    }

    [Fact]
    public void It_is_said_when_the_headers_are_too_old_and_the_documentation_stands_in_for_them()
    {
        if (Headers.Evaluate(["MITOS_DOCUMENTED_ONLY"])["MITOS_DOCUMENTED_ONLY"] == 1)
            TestContext.Current.AddWarning("linux/fs.h of this system has no PAGEMAP_SCAN (Linux 6.7): compared with the definition of its documentation");
        Assert.Equal(0xC0606610, Headers.Evaluate(["PAGEMAP_SCAN"])["PAGEMAP_SCAN"]);
    }

    private static long ValueOf(FieldInfo constant) => Convert.ToInt64(constant.GetRawConstantValue(), CultureInfo.InvariantCulture);
}
