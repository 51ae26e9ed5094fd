using System.Globalization;
using System.Net;
using System.Text;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>
/// Draws rows as bars, longer being better: first those that are compared with something, the line at 1 being that; then those that a figure
/// is asked of, the line at 1 being what is asked. Bars over twice the line are cut.
/// </summary>
internal static class Plot
{
    private const int RowHeight = 22;
    private const int Left = 330;
    private const int Unit = 240;
    private const double Longest = 2;
    private const int Width = Left + (int)(Unit * Longest) + 330;
    private const int LineHeight = 17;
    private const int LineLength = 150;

    public static string Draw(Document document)
    {
        StringBuilder body = new();
        int top = 30;
        foreach (string line in document.Lines().SelectMany(Wrap))
        {
            body.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"12\" y=\"{top + 12}\" fill=\"#555\" font-size=\"12\">{WebUtility.HtmlEncode(line)}</text>");
            top += LineHeight;
        }

        IEnumerable<Bar> beside = document.Rows.Where(row => row.Ratio is not null).Select(row => new Bar(
            row.Name, row.Ratio!.Value, row, string.Create(CultureInfo.InvariantCulture, $"{row.Ratio:F2}  ({Statistics.Text(row.Value)} {row.Unit}, beside {Statistics.Text(row.Compared)})")));
        IEnumerable<Bar> asked = document.Rows.Select(AgainstAsked).OfType<Bar>();
        Panel(body, "C# over the ABI; plain Rust, or libsecp256k1 and keccak alone, = 1", [.. beside], ref top);
        Panel(body, "what was measured; what is asked = 1", [.. asked], ref top);
        string head = string.Create(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{top + 12}\" viewBox=\"0 0 {Width} {top + 12}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">Preconf.Native, measured (longer is better)</text>\n");
        return head + body.ToString().ReplaceLineEndings("\n") + "</svg>\n";
    }

    private static void Panel(StringBuilder svg, string title, Bar[] bars, ref int top)
    {
        if (bars.Length == 0)
        {
            return;
        }

        top += 26;
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"12\" y=\"{top}\" font-weight=\"bold\">{WebUtility.HtmlEncode(title)}</text>");
        top += 8;
        int first = top;
        foreach (Bar bar in bars)
        {
            Draw(svg, bar, top);
            top += RowHeight;
        }

        svg.AppendLine(CultureInfo.InvariantCulture, $"<line x1=\"{Left + Unit}\" y1=\"{first}\" x2=\"{Left + Unit}\" y2=\"{top}\" stroke=\"#222\" stroke-dasharray=\"4 3\"/>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{Left + Unit}\" y=\"{top + 14}\" text-anchor=\"middle\">1</text>");
        top += 18;
    }

    private static void Draw(StringBuilder svg, Bar bar, int top)
    {
        int length = (int)(Unit * Math.Clamp(bar.Length, 0, Longest));
        string colour = bar.Row.Verdict switch { Row.IsMet => "#2a7f62", Row.NotMet => "#c8553d", _ => "#8a8f98" };
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{Left - 8}\" y=\"{top + 15}\" text-anchor=\"end\">{WebUtility.HtmlEncode(bar.Name)}</text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<rect x=\"{Left}\" y=\"{top + 3}\" width=\"{length}\" height=\"{RowHeight - 6}\" fill=\"{colour}\"/>");
        string cut = bar.Length > Longest ? "› " : string.Empty;
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{Left + length + 6}\" y=\"{top + 15}\">{WebUtility.HtmlEncode(cut + bar.Text)}</text>");
    }

    /// <summary>A row beside the figure that is asked of it; null when none is.</summary>
    private static Bar? AgainstAsked(Row row)
    {
        Ask asked = Goals.Of(row.Part, row.Name)?.Asks.FirstOrDefault(ask => ask.Kind is AskKind.AtMost or AskKind.AtLeast) ?? default;
        if (asked.Limit == 0)
        {
            return null;
        }

        double length = asked.Kind == AskKind.AtLeast ? row.Value / asked.Limit : row.Value == 0 ? double.PositiveInfinity : asked.Limit / row.Value;
        string reference = row.Reference is { } figure ? string.Create(CultureInfo.InvariantCulture, $", reference {Statistics.Text(figure)}") : string.Empty;
        return new Bar(row.Name, length, row, string.Create(CultureInfo.InvariantCulture, $"{Statistics.Text(row.Value)} {row.Unit}, asked {asked.Text(row.Unit)}{reference}"));
    }

    private static IEnumerable<string> Wrap(string line)
    {
        while (line.Length > LineLength)
        {
            int at = line.LastIndexOf(' ', LineLength);
            yield return line[..at];
            line = "    " + line[(at + 1)..];
        }

        yield return line;
    }

    private sealed record Bar(string Name, double Length, Row Row, string Text);
}
