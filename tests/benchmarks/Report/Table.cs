using System.Globalization;
using System.Text;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Rows as text.</summary>
internal static class Table
{
    public static readonly string Head = string.Create(
        CultureInfo.InvariantCulture,
        $"{"work",-48} {"C#",9} {"beside",9} {"unit",-13} {"ratio",6} {"reference",9}  {"asked",-34} {"verdict",-12} {"n",3} {"p50/p99 us",15} {"beside",15} {"cores",9} {"bytes",11} {"lost",5} {"recover us",10} {"page us",7}");

    public static string Line(Row row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Name,-48} {Statistics.Text(row.Value),9} {Statistics.Text(row.Compared),9} {row.Unit,-13} {row.Ratio,6:F2} {Statistics.Text(row.Reference),9}  {row.Asked,-34} {row.Verdict,-12} {row.N,3} {Pair(row.P50, row.P99),15} {Pair(row.ComparedP50, row.ComparedP99),15} {Cores(row),9} {row.Bytes,11} {Faults(row),5} {row.MachineRecover,10:F1} {row.MachinePage,7:F2}");

    /// <summary>p50 and p99.</summary>
    internal static string Pair(double? p50, double? p99) => p50 is null ? string.Empty : string.Create(CultureInfo.InvariantCulture, $"{p50:F0}/{p99:F0}");

    internal static string Cores(Row row) => row.Cores is null ? string.Empty : string.Create(CultureInfo.InvariantCulture, $"{row.Cores:F2}/{row.ComparedCores:F2}");

    internal static int Faults(Row row) => row.Lost + row.Unverified;
}

/// <summary>A document as Markdown.</summary>
internal static class Markdown
{
    public static string Of(Document document)
    {
        StringBuilder text = new();
        text.Append("# Measured\n\n");
        foreach (string line in document.Lines())
        {
            text.Append("- ").Append(line).Append('\n');
        }

        text.Append("- \"beside\" is plain Rust for the network, libsecp256k1 or keccak alone for the micro rows; a ratio above 1 is better than it, whatever the unit; \"at\" is the commit a row was measured at, and \"recover µs\" and \"page µs\" are what a recovery and a page of new memory took the machine then\n\n");
        foreach (string line in document.Summary())
        {
            text.Append(line.StartsWith(' ') ? "- " + line.TrimStart() : line + "\n").Append('\n');
        }

        foreach (IGrouping<string, Row> part in document.Rows.GroupBy(row => row.Part))
        {
            text.Append("\n## ").Append(part.Key).Append("\n\n");
            text.Append("| work | unit | C# | beside | ratio | reference | asked | verdict | n | p50 / p99 µs | beside | cores | bytes | lost | allocated | recover µs | page µs | at |\n");
            text.Append("| --- | --- | --: | --: | --: | --: | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |\n");
            foreach (Row row in part)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"| {row.Name} | {row.Unit} | {Statistics.Text(row.Value)} | {Statistics.Text(row.Compared)} | {row.Ratio:F2} | {Statistics.Text(row.Reference)} | {row.Asked} | {Verdict(row)} | {row.N} | {Table.Pair(row.P50, row.P99)} | {Table.Pair(row.ComparedP50, row.ComparedP99)} | {Table.Cores(row)} | {row.Bytes} | {Table.Faults(row)} | {row.Allocated} | {row.MachineRecover:F1} | {row.MachinePage:F2} | {Row.Short(row.Commit)} |\n");
            }
        }

        return text.ToString();
    }

    private static string Verdict(Row row) => row.Why.Length == 0 ? row.Verdict : $"**{row.Verdict}**: {row.Why}";
}
