using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Everything that was found: what <c>results.json</c> holds, and what the other reports are made of.</summary>
public sealed record Document
{
    public required Context Context { get; init; }

    public required Machine Machine { get; init; }

    public required NativeLibraryFile Library { get; init; }

    /// <summary>Parts that were asked for and could not be measured, and why.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    public required IReadOnlyList<Row> Rows { get; init; }

    /// <summary>The lines above a table.</summary>
    internal IEnumerable<string> Lines() => [.. Context.Lines(), Machine.Line(), Library.Line()];

    /// <summary>How many rows are met, and which are not and why.</summary>
    internal IEnumerable<string> Summary()
    {
        Row[] asked = [.. Rows.Where(row => row.Verdict.Length > 0)];
        if (Context.Quick)
        {
            yield return $"all of it runs: {Rows.Count} rows, not judged";
        }
        else
        {
            yield return $"{asked.Count(row => row.Verdict == Row.IsMet)} of {asked.Length} rows are as asked; {asked.Count(row => row.Verdict == Row.NotMet)} are not, "
                + $"{asked.Count(row => row.Verdict == Row.NotMeasured)} were not measured; nothing is asked of {Rows.Count - asked.Length}";
        }

        foreach (Row row in asked.Where(row => row.Fails))
        {
            yield return $"  {row.Verdict}: {row.Part}: {row.Name}: {(row.Why.Length > 0 ? row.Why : "nothing to compare with")} (asked: {row.Asked})";
        }

        foreach (string missing in Missing)
        {
            yield return $"  not measured: {missing}";
        }
    }

    /// <summary>Writes <c>NAME.json</c>, <c>NAME.md</c> and, where there is something to draw, a plot.</summary>
    internal async Task WriteAsync(string directory, string name, string plot)
    {
        Directory.CreateDirectory(directory);
        await File.WriteAllTextAsync(Path.Combine(directory, name + ".json"), JsonSerializer.Serialize(this, DocumentJson.Readable.Document) + "\n");
        await File.WriteAllTextAsync(Path.Combine(directory, name + ".md"), Markdown.Of(this));
        await File.WriteAllTextAsync(Path.Combine(directory, plot + ".svg"), Plot.Draw(this));
    }
}

/// <summary>Results as JSON, one way for all.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Result))]
[JsonSerializable(typeof(Document))]
public sealed partial class DocumentJson : JsonSerializerContext
{
    /// <summary>Over several lines, and with signs as they are.</summary>
    public static DocumentJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
