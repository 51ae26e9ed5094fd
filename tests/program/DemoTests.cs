using System.Globalization;

namespace Preconf.Node.ProgramTests;

public sealed class DemoTests
{
    [Fact]
    public async Task TheDemonstrationEndsWellWithinAMinute()
    {
        await using ProgramProcess demo = ProgramProcess.Start(["demo"]);
        Finished finished = await demo.FinishAsync(TimeSpan.FromSeconds(60));
        Assert.True(finished.ExitCode == 0, finished.Output + finished.Errors);
        foreach (string node in new[] { "preconfer", "follower, TCP", "follower, QUIC", "late joiner" })
        {
            Assert.Contains($"{node}: 8 commitments and 8 txlists, byte for byte; nothing else", finished.Output, StringComparison.Ordinal);
        }

        Assert.Contains("all refused by the one node it knew, none forwarded", finished.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ANodeThatDiesFailsTheDemonstrationAndTakesTheOthersWithIt()
    {
        await using ProgramProcess demo = ProgramProcess.Start(["demo"]);
        await demo.WaitForTextAsync("slot 1");
        int[] children = ChildrenOf(demo.Id);
        Assert.Equal(4, children.Length);
        ProgramProcess.Signal(children[1], ProgramProcess.SigKill);
        Finished finished = await demo.FinishAsync();
        Assert.Equal(1, finished.ExitCode);
        Assert.Contains("error[demo]", finished.Errors, StringComparison.Ordinal);
        await GoneAsync(children);
    }

    [Theory]
    [InlineData(ProgramProcess.SigInt, 130)]
    [InlineData(ProgramProcess.SigKill, 137)]
    public async Task NoNodeOutlivesTheDemonstration(int signal, int exitCode)
    {
        await using ProgramProcess demo = ProgramProcess.Start(["demo"]);
        await demo.WaitForTextAsync("slot 1");
        int[] children = ChildrenOf(demo.Id);
        demo.Signal(signal);
        Assert.Equal(exitCode, (await demo.FinishAsync()).ExitCode);
        await GoneAsync(children);
    }

    private static int[] ChildrenOf(int process) =>
    [
        .. File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Concat(Directory.GetDirectories($"/proc/{process}/task").SelectMany(task => File.ReadAllText(task + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .Select(id => int.Parse(id, CultureInfo.InvariantCulture)).Distinct().Order(),
    ];

    private static async Task GoneAsync(int[] processes)
    {
        long deadline = Environment.TickCount64 + (long)ProgramProcess.Patience.TotalMilliseconds;
        while (processes.Any(process => Directory.Exists($"/proc/{process}") && !IsZombie(process)))
        {
            Assert.True(Environment.TickCount64 < deadline, "nodes are left");
            await Task.Delay(50);
        }
    }

    private static bool IsZombie(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return true;
        }
    }
}
