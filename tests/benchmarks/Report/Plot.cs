using System.Globalization;
using System.Net;
using System.Text;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Draws the ratios of a network run: one bar a row, plain Rust being the line at 1.</summary>
public static class Plot
{
    private const int RowHeight = 22;
    private const int Left = 230;
    private const int Unit = 300;
    private const int Width = Left + (Unit * 3 / 2) + 250;

    /// <summary>The plot as SVG; rows without a ratio are left out.</summary>
    public static string Draw(IReadOnlyList<ResultRow> rows, string caption)
    {
        ResultRow[] drawn = [.. rows.Where(row => row.Ratio is not null && row.Unit is not ("%" or "MB" or "/s"))];
        int height = 64 + (drawn.Length * RowHeight) + 30;
        StringBuilder svg = new();
        svg.AppendLine(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">");
        svg.AppendLine("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
        svg.AppendLine("<text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">C# over the ABI, plain Rust = 1 (longer is better)</text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"12\" y=\"44\" fill=\"#555\">{WebUtility.HtmlEncode(caption)}</text>");
        for (int i = 0; i < drawn.Length; i++)
        {
            Bar(svg, drawn[i], 60 + (i * RowHeight));
        }

        int end = 60 + (drawn.Length * RowHeight);
        svg.AppendLine(CultureInfo.InvariantCulture, $"<line x1=\"{Left + Unit}\" y1=\"54\" x2=\"{Left + Unit}\" y2=\"{end}\" stroke=\"#222\" stroke-dasharray=\"4 3\"/>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{Left + Unit}\" y=\"{end + 16}\" text-anchor=\"middle\">1.0</text>");
        svg.AppendLine("</svg>");
        return svg.ToString();
    }

    private static void Bar(StringBuilder svg, ResultRow row, int top)
    {
        double ratio = row.Ratio!.Value;
        int length = (int)(Unit * Math.Min(ratio, 1.5));
        string colour = ratio >= 0.95 ? "#2a7f62" : "#c8553d";
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{Left - 8}\" y=\"{top + 15}\" text-anchor=\"end\">{WebUtility.HtmlEncode(row.Scenario)}</text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<rect x=\"{Left}\" y=\"{top + 3}\" width=\"{length}\" height=\"{RowHeight - 6}\" fill=\"{colour}\"/>");
        svg.AppendLine(
            CultureInfo.InvariantCulture,
            $"<text x=\"{Left + length + 6}\" y=\"{top + 15}\">{ratio:F2} ({row.DotNet:G5} {WebUtility.HtmlEncode(row.Unit)}, Rust {row.Rust:G5})</text>");
    }
}
