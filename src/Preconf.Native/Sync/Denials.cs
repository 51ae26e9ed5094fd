using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Counts how many peers lack which blocks, until so many do that a block is given up.</summary>
/// <param name="enough">Peers that have to lack a block; at least 1.</param>
internal sealed class Denials(int enough)
{
    // The blocks that at least one, two, three… peers lack.
    private readonly BlockRanges[] _levels = [.. Enumerable.Range(0, enough).Select(_ => new BlockRanges())];

    /// <summary>One more peer lacks these blocks; the same peer must not be counted twice.</summary>
    /// <param name="holes">The blocks.</param>
    /// <returns>Those that enough peers lack now; they are forgotten here.</returns>
    public List<BlockRange> Deny(IReadOnlyList<BlockRange> holes)
    {
        for (int level = _levels.Length - 1; level > 0; level--)
        {
            foreach (BlockRange again in holes.SelectMany(hole => _levels[level - 1].Within(hole.First, hole.Last)))
            {
                _levels[level].Add(again.First, again.Last);
            }
        }

        foreach (BlockRange hole in holes)
        {
            _levels[0].Add(hole.First, hole.Last);
        }

        List<BlockRange> given = [.. _levels[^1].Ranges];
        foreach (BlockRange range in given)
        {
            Forget(range.First, range.Last);
        }

        return given;
    }

    /// <summary>These blocks are settled.</summary>
    public void Forget(in UInt256 first, in UInt256 last)
    {
        foreach (BlockRanges level in _levels)
        {
            level.Remove(in first, in last);
        }
    }
}
