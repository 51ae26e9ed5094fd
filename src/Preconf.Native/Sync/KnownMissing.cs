using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>What nobody had when it was looked for, so that not every run looks for it again. Bounded; thread-safe.</summary>
internal sealed class KnownMissing
{
    private const int MaxKnown = 16 * CatchUpResult.MaxListed;
    private readonly Lock _gate = new();
    private readonly BlockRanges _blocks = new();
    private readonly HashSet<Bytes32> _txLists = [];

    /// <summary>Whether nothing is known.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _blocks.Count == 0 && _txLists.Count == 0;
            }
        }
    }

    /// <summary>Whether nobody had a txlist.</summary>
    public bool Contains(in Bytes32 txList)
    {
        lock (_gate)
        {
            return _txLists.Contains(txList);
        }
    }

    /// <summary>Takes in what a run found out.</summary>
    public void Add(CatchUpResult result)
    {
        lock (_gate)
        {
            foreach (MissingBlocks blocks in result.MissingBlocks.Where(static blocks => blocks.Reason != MissingReason.RequestsFailed))
            {
                _blocks.Add(blocks.First, blocks.Last);
            }

            // What lies below everything that is to be had is missing to nobody, and looked for as seldom.
            if (result.From.TrySubtract(UInt256.One, out UInt256 below) && !result.IsWorthRetrying)
            {
                _blocks.Add(UInt256.Zero, in below);
            }

            _txLists.UnionWith(result.MissingTxLists.Where(static list => list.Reason != MissingReason.RequestsFailed).Select(static list => list.Hash));
            if (_blocks.Count > MaxKnown || _txLists.Count > MaxKnown)
            {
                Clear();
            }
        }
    }

    /// <summary>Forgets of a block, and of the blocks below it as far as they are known in a row, that nobody had them.</summary>
    public void ForgetUpTo(in UInt256 block)
    {
        lock (_gate)
        {
            if (_blocks.TryFind(in block, out BlockRange range))
            {
                _blocks.Remove(range.First, in block);
            }
        }
    }

    /// <summary>Takes what nobody has out of what is wanted.</summary>
    public void RemoveFrom(BlockRanges wanted)
    {
        lock (_gate)
        {
            foreach (BlockRange range in _blocks.Ranges)
            {
                wanted.Remove(range.First, range.Last);
            }
        }
    }

    /// <summary>Forgets all of it: it is time to look again.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _blocks.Clear();
            _txLists.Clear();
        }
    }
}
