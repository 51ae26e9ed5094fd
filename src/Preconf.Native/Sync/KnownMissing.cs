using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>What nobody had when it was looked for, so that not every run looks for it again. Bounded; thread-safe.</summary>
internal sealed class KnownMissing
{
    private const int MaxKnown = 16 * CatchUpResult.MaxListed;
    private const ulong Near = 1024;
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

    /// <summary>Takes in what a run found out about commitments.</summary>
    /// <param name="missing">What is missing.</param>
    /// <param name="from">The lowest block that anybody has; null where that is not sure.</param>
    public void Add(IEnumerable<MissingBlocks> missing, UInt256? from)
    {
        lock (_gate)
        {
            bool isSure = true;
            foreach (MissingBlocks blocks in missing)
            {
                if (blocks.Reason == MissingReason.RequestsFailed)
                {
                    isSure = false;
                }
                else
                {
                    _blocks.Add(blocks.First, blocks.Last);
                }
            }

            // What lies below everything that is to be had is missing to nobody, and looked for as seldom.
            if (isSure && from is { } lowest && lowest.TrySubtract(UInt256.One, out UInt256 below))
            {
                _blocks.Add(UInt256.Zero, in below);
            }

            KeepBounds();
        }
    }

    /// <summary>Takes in what a run found out about txlists.</summary>
    public void Add(IEnumerable<MissingTxList> missing)
    {
        lock (_gate)
        {
            _txLists.UnionWith(missing.Where(static list => list.Reason != MissingReason.RequestsFailed).Select(static list => list.Hash));
            KeepBounds();
        }
    }

    /// <summary>
    /// Forgets that nobody had a block, and those below it: as far as they are known in a row, and some further ones, where somebody may have made holes in the row.
    /// </summary>
    public void ForgetUpTo(in UInt256 block)
    {
        lock (_gate)
        {
            UInt256 first = block.TrySubtract(Near, out UInt256 near) ? near : UInt256.Zero;
            first = _blocks.TryFind(in block, out BlockRange range) && range.First < first ? range.First : first;
            _blocks.Remove(in first, in block);
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

    private void KeepBounds()
    {
        if (_blocks.Count > MaxKnown || _txLists.Count > MaxKnown)
        {
            _blocks.Clear();
            _txLists.Clear();
        }
    }
}
