using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>What is known of a peer's having a block.</summary>
internal enum PeerHolding
{
    /// <summary>It brought a valid commitment of this block or a higher one.</summary>
    Proven,

    /// <summary>It says its head is this block or a higher one.</summary>
    Claimed,

    /// <summary>It has said nothing, or nothing that counts.</summary>
    Unknown,

    /// <summary>It says its head is below, or had nothing when it was asked.</summary>
    Lacking,
}

/// <summary>
/// What one peer has: proved by valid commitments, or claimed as its head. A claim counts until the peer is asked and has nothing: from then on its
/// claims count only after a proof, so a claim of any height is worth one request. Blocks above 64 bits count as the largest. Thread-safe.
/// </summary>
internal sealed class PeerHoldings
{
    private readonly Lock _gate = new();
    private ulong _proven;
    private ulong _lacksFrom = ulong.MaxValue;
    private ulong? _claimed;
    private bool _claimedFalsely;

    /// <summary>The head it claims; null when it claimed none, or a claim of it turned out empty.</summary>
    public ulong? Claimed
    {
        get
        {
            lock (_gate)
            {
                return _claimedFalsely ? null : _claimed;
            }
        }
    }

    /// <summary>Whether it ever brought a valid commitment, of a block above zero, that it still has.</summary>
    public bool HasProven
    {
        get
        {
            lock (_gate)
            {
                return _proven != 0;
            }
        }
    }

    /// <summary>It brought a valid commitment of this block.</summary>
    public void Proves(in UInt256 block)
    {
        ulong number = Number(in block);
        lock (_gate)
        {
            _proven = Math.Max(_proven, number);
            if (number >= _lacksFrom)
            {
                (_lacksFrom, _claimedFalsely) = (ulong.MaxValue, false);
            }
        }
    }

    /// <summary>It says this is its head.</summary>
    public void Claims(in UInt256 head)
    {
        ulong number = Number(in head);
        lock (_gate)
        {
            _claimed = number;

            // Who was believed so far may have grown since it had nothing.
            if (!_claimedFalsely && number >= _lacksFrom)
            {
                _lacksFrom = ulong.MaxValue;
            }
        }
    }

    /// <summary>It was asked for commitments from this block on and had none.</summary>
    public void Lacks(in UInt256 start)
    {
        ulong number = Number(in start);
        lock (_gate)
        {
            _lacksFrom = Math.Min(_lacksFrom, number);
            _claimedFalsely |= _claimed >= number;
            if (_proven >= number)
            {
                _proven = number == 0 ? 0 : number - 1;
            }
        }
    }

    /// <summary>Whether it has a block, or a higher one.</summary>
    public PeerHolding Of(in UInt256 block)
    {
        ulong number = Number(in block);
        lock (_gate)
        {
            return number >= _lacksFrom ? PeerHolding.Lacking
                : number <= _proven ? PeerHolding.Proven
                : _claimed is not { } claimed || _claimedFalsely ? PeerHolding.Unknown
                : number <= claimed ? PeerHolding.Claimed
                : PeerHolding.Lacking;
        }
    }

    private static ulong Number(in UInt256 block) => block.IsUInt64 ? (ulong)block : ulong.MaxValue;
}
