namespace Mitos.FirecrackerFake.Plan;

/// <summary>Finds the rule for each call of this process.</summary>
internal sealed class Planner(string? path, string machineId)
{
    private readonly Dictionary<string, int> _calls = [];
    private readonly Lock _lock = new();

    public FakePlan Plan => FakePlan.Read(path);

    /// <summary>Counts a call and returns what the plan says of it; null: nothing.</summary>
    public FakeRule? Next(string call)
    {
        lock (_lock)
        {
            var count = _calls[call] = _calls.GetValueOrDefault(call) + 1;
            return Plan.Rules.FirstOrDefault(rule => rule.On == call && (rule.Id is null || rule.Id == machineId)
                && count >= rule.From && (rule.Times == 0 || count < rule.From + rule.Times));
        }
    }

    /// <summary>The same, and carries out what needs no answer: a stall, an exit.</summary>
    public FakeRule? Begin(string call)
    {
        var rule = Next(call);
        if (rule?.Do == FakeAct.Stall)
            Thread.Sleep(rule.Ms);
        if (rule is { Do: FakeAct.Exit, CarryOut: false })
            Exit(rule);
        return rule;
    }

    /// <summary>Ends the process, with the rule's words where Firecracker's would be.</summary>
    public void Exit(FakeRule rule)
    {
        if (rule.Text.Length > 0)
            Console.Error.WriteLine(rule.Text);
        Environment.Exit(rule.Code);
    }
}
