namespace Preconf.Node.Configuration;

/// <summary>A value as it was given: by whom, and its text or texts.</summary>
/// <param name="Source">What to call it in a fault: <c>--chain-id</c>, <c>PRECONF_CHAIN_ID</c>, <c>node.json: chainId</c>.</param>
/// <param name="Values">One text; several of a list; null for JSON's null.</param>
internal sealed record SettingEntry(string Source, IReadOnlyList<string?> Values);

/// <summary>One place settings come from. Keys are paths of <see cref="NodeSettings"/>' names joined by colons, in any case.</summary>
internal sealed class SettingLayer
{
    /// <summary>What it holds.</summary>
    public Dictionary<string, SettingEntry> Entries { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Lays layers over each other, the first on top: a list replaces a list, and one of two exclusive settings replaces the other.</summary>
    public static SettingLayer Merge(params IEnumerable<SettingLayer> layers)
    {
        SettingLayer merged = new();
        foreach (SettingLayer layer in layers)
        {
            bool signersKnown = merged.Entries.ContainsKey("AnySigner") || merged.Entries.ContainsKey("ExpectedSigners");
            foreach ((string path, SettingEntry entry) in layer.Entries)
            {
                bool exclusive = path.Equals("AnySigner", StringComparison.OrdinalIgnoreCase) || path.Equals("ExpectedSigners", StringComparison.OrdinalIgnoreCase);
                if (!(exclusive && signersKnown))
                {
                    merged.Entries.TryAdd(path, entry);
                }
            }
        }

        return merged;
    }
}
