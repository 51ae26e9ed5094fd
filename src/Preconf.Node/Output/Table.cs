using System.Text;

namespace Preconf.Node.Output;

/// <summary>Text in columns.</summary>
internal sealed class Table(params string[] header)
{
    private const string Gap = "  ";
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row.</summary>
    /// <param name="cells">As many as the header has, or as the first row has where there is no header.</param>
    public void Add(params string[] cells) => _rows.Add(cells);

    /// <summary>The lines.</summary>
    /// <returns>Columns aligned to the left, no space at the ends of lines.</returns>
    public override string ToString()
    {
        string[][] all = header.Length == 0 ? [.. _rows] : [header, .. _rows];
        int columns = all.Length == 0 ? 0 : all.Max(row => row.Length);
        int[] widths = [.. Enumerable.Range(0, columns).Select(column => all.Max(row => column < row.Length ? row[column].Length : 0))];
        StringBuilder text = new();
        foreach (string[] row in all)
        {
            text.AppendLine(string.Join(Gap, row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        }

        return text.ToString();
    }
}
