namespace Preconf.Node.Configuration;

/// <summary>A value as it was given: by whom, and its text or texts.</summary>
/// <param name="Source">What to call it in a fault: <c>--chain-id</c>, <c>PRECONF_CHAIN_ID</c>, <c>node.json: chainId</c>.</param>
/// <param name="Values">One text; several of a list; null for JSON's null.</param>
internal sealed record SettingEntry(string Source, IReadOnlyList<string?> Values);

/// <summary>One place settings come from. Keys are paths of <see cref="NodeSettings"/>' names joined by colons, in any case.</summary>
internal sealed class SettingLayer
{
    /// <summary>The path of <see cref="Preconf.Native.Network.P2pConfig.AnySigner"/>.</summary>
    public const string AnySignerPath = "AnySigner";

    /// <summary>The path of <see cref="Preconf.Native.Network.P2pConfig.ExpectedSigners"/>.</summary>
    public const string ExpectedSignersPath = "ExpectedSigners";

    /// <summary>What it holds.</summary>
    public Dictionary<string, SettingEntry> Entries { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether every signer is taken. A text that is neither true nor false says nothing of it.</summary>
    public bool? AnySigner => Entries.TryGetValue(AnySignerPath, out SettingEntry? entry) && entry.Values.Count == 1
        && SettingText.TryConvert(typeof(bool), entry.Values[0], out object? value, out _) ? (bool)value! : null;

    /// <summary>
    /// Lays layers over each other, the first on top: a list replaces a list, and of the two settings that exclude each other, every signer and the
    /// expected ones, one replaces the other.
    /// </summary>
    public static SettingLayer Merge(params IEnumerable<SettingLayer> layers)
    {
        SettingLayer merged = new();
        foreach (SettingLayer layer in layers)
        {
            bool any = merged.AnySigner == true, expected = merged.Entries.ContainsKey(ExpectedSignersPath);
            foreach ((string path, SettingEntry entry) in layer.Entries)
            {
                bool isReplaced = (any && path.Equals(ExpectedSignersPath, StringComparison.OrdinalIgnoreCase))
                    || (expected && path.Equals(AnySignerPath, StringComparison.OrdinalIgnoreCase));
                if (!isReplaced)
                {
                    merged.Entries.TryAdd(path, entry);
                }
            }
        }

        return merged;
    }
}
