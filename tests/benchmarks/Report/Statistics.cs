using System.Globalization;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Medians and percentiles.</summary>
internal static class Statistics
{
    /// <summary>The median, of an even number of values the mean of the middle two; null when there are none.</summary>
    public static double? Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length == 0 ? null : sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>The median of what there is; null when there is nothing.</summary>
    public static double? Median(IEnumerable<Result> results, Func<Result, double?> pick) => Median(results.Select(pick).OfType<double>());

    /// <summary>A percentile of sorted values, the nearest rank; null when there are none.</summary>
    public static double? Percentile(double[] sorted, int percent) =>
        sorted.Length == 0 ? null : sorted[Math.Max(1, ((sorted.Length * percent) + 99) / 100) - 1];

    /// <summary>Four digits, or all before the point where there are more; never an exponent.</summary>
    public static string Text(double? value) => value switch
    {
        null => string.Empty,
        { } number when Math.Abs(number) >= 1000 => number.ToString("0", CultureInfo.InvariantCulture),
        { } number when Math.Abs(number) < 0.001 => number.ToString("0.####", CultureInfo.InvariantCulture),
        { } number => number.ToString("G4", CultureInfo.InvariantCulture),
    };

    /// <summary>How good a value is beside another, that being 1: above 1 is better, whatever the unit. Null when it can't be said.</summary>
    public static double? Goodness(double value, double? other, string unit)
    {
        if (other is not { } beside)
        {
            return null;
        }

        double ratio = value == beside ? 1 : Units.LessIsBetter(unit) ? beside / value : value / beside;
        return double.IsFinite(ratio) ? ratio : null;
    }
}
