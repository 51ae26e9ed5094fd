using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Everything that was found: what <c>results.json</c> holds, and what the other reports are made of.</summary>
public sealed record Document
{
    public required Context Context { get; init; }

    /// <summary>What the rows that were measured at other commits were made on, of and with.</summary>
    public IReadOnlyList<Context> Earlier { get; init; } = [];

    public required Machine Machine { get; init; }

    public required NativeLibraryFile Library { get; init; }

    /// <summary>Parts that were asked for and could not be measured, and why.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    public required IReadOnlyList<Row> Rows { get; init; }

    internal string ToJson() => JsonSerializer.Serialize(this, DocumentJson.Readable.Document);

    /// <summary>Reads what <see cref="ToJson"/> made.</summary>
    /// <exception cref="InvalidOperationException">It is no document.</exception>
    internal static Document Read(string json)
    {
        try
        {
            // What older ones lack is null, whatever the property starts as.
            Document read = JsonSerializer.Deserialize(json, DocumentJson.Readable.Document) ?? throw new JsonException("null");
            return read with { Earlier = read.Earlier ?? [] };
        }
        catch (JsonException fault)
        {
            throw new InvalidOperationException($"the recorded results can't be read: {fault.Message}", fault);
        }
    }

    /// <summary>This, and what an earlier one has beyond it, each row with the commit it was measured at.</summary>
    internal Document Over(Document earlier)
    {
        Dictionary<(string, string), Row> own = Rows.ToDictionary(row => (row.Part, row.Name));
        List<Row> rows = [];
        foreach (Row row in earlier.Rows)
        {
            rows.Add(own.Remove((row.Part, row.Name), out Row? anew) ? anew : row with { Commit = row.Commit ?? earlier.Context.Commit });
        }

        rows.AddRange(Rows.Where(row => own.ContainsKey((row.Part, row.Name))));
        IEnumerable<Context> contexts = earlier.Earlier.Prepend(earlier.Context);
        return this with { Rows = rows, Earlier = [.. contexts.Where(other => other.Commit != Context.Commit && rows.Any(row => row.Commit == other.Commit))] };
    }

    /// <summary>The lines above a table.</summary>
    internal IEnumerable<string> Lines() =>
        [.. Context.Lines(), Machine.Line(), Library.Line(), .. Earlier.Select(context => $"rows at {Row.Short(context.Commit)}: {context.Place()}")];

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
        await File.WriteAllTextAsync(Path.Combine(directory, name + ".json"), ToJson() + "\n");
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
