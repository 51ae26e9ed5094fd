using System.Globalization;
using System.Text;
using Preconf.Node.Output;

namespace Preconf.Node.Demo;

/// <summary>Shows how the nodes get on: a table that renews itself on a terminal; where stdout is none, only the lines of what happens.</summary>
internal sealed class DemoBoard(IReadOnlyList<DemoNode> nodes, int blocks)
{
    private readonly bool _live = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
    private readonly DateTime _started = DateTime.UtcNow;
    private int _drawn;

    /// <summary>Says something that stays on the screen, above the table.</summary>
    /// <param name="text">What.</param>
    public void Say(string text)
    {
        Erase();
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(DateTime.UtcNow - _started).TotalSeconds,6:0.0} s  {text}"));
        Draw();
    }

    /// <summary>Draws the table anew, on a terminal.</summary>
    public void Draw()
    {
        if (_live)
        {
            Erase();
            // A line the terminal wraps would count as two.
            int width = Math.Max(1, Console.WindowWidth - 1);
            foreach (string line in ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries))
            {
                Console.Out.WriteLine(line.Length <= width ? line : line[..width]);
                _drawn++;
            }
        }
    }

    /// <summary>The table.</summary>
    /// <returns>A line a node.</returns>
    public override string ToString()
    {
        Table table = new("NODE", "PROCESS", "PEERS", "COMMITMENTS", "TXLISTS", "DELAY", "REFUSED", "STATE");
        foreach (DemoNode node in nodes)
        {
            double[] delays = [.. node.Commitments.Values.OfType<double>()];
            table.Add(
                node.Name,
                node.ProcessId.ToString(CultureInfo.InvariantCulture),
                node.IsHonest ? node.Peers.Count.ToString(CultureInfo.InvariantCulture) : string.Empty,
                node.IsHonest ? Bar(node.Commitments.Count) : string.Empty,
                node.IsHonest ? Bar(node.TxLists.Count) : string.Empty,
                delays.Length == 0 ? string.Empty : string.Create(CultureInfo.InvariantCulture, $"{delays.Average():0.0} ms"),
                node.IsHonest ? node.Refused.Count.ToString(CultureInfo.InvariantCulture) : string.Empty,
                node.State);
        }

        return table.ToString();
    }

    private string Bar(int count)
    {
        StringBuilder bar = new();
        bar.Append('█', Math.Min(count, blocks)).Append('░', Math.Max(0, blocks - count));
        return string.Create(CultureInfo.InvariantCulture, $"{bar} {count}/{blocks}");
    }

    private void Erase()
    {
        if (_drawn != 0)
        {
            Console.Out.Write($"\u001b[{_drawn}A\u001b[J");
            _drawn = 0;
        }
    }
}
