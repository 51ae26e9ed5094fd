using System.Net;
using Preconf.Native.Interop;

namespace Preconf.Native.Network;

/// <summary>
/// The native part's table of blocked targets, which the operator's rules and the addresses of bans share: who wants what, so that the end of the one
/// lifts nothing of the other. Each has room of its own. Thread-safe; calls the native part under its lock, so both agree on which of two came last.
/// </summary>
/// <param name="native">Blocks a target natively or lifts that; <see cref="PcnStatus.Ok"/> when it is done.</param>
/// <param name="operators">What the operator had blocked at the start; the native part knows it already.</param>
internal sealed class BlockTable(Func<BlockTarget, bool, PcnStatus> native, IEnumerable<BlockTarget> operators)
{
    /// <summary>Subnets that bans may take in; what is left of the native part's 4096 is the operator's.</summary>
    public const int MaxBanned = OperatorRules.MaxRules - OperatorRules.MaxBlocked;

    private readonly Lock _gate = new();
    private readonly HashSet<BlockTarget> _operators = [.. operators];
    private readonly Dictionary<BlockTarget, int> _banned = [];

    /// <summary>Blocks a target for the operator.</summary>
    /// <returns><see cref="PcnStatus.QueueFull"/> with <see cref="OperatorRules.MaxBlocked"/> of them; nothing is changed unless Ok.</returns>
    public PcnStatus Block(BlockTarget target)
    {
        lock (_gate)
        {
            if (_operators.Contains(target))
            {
                return PcnStatus.Ok;
            }

            PcnStatus status = _operators.Count >= OperatorRules.MaxBlocked ? PcnStatus.QueueFull
                : _banned.ContainsKey(target) ? PcnStatus.Ok
                : native(target, true);
            if (status == PcnStatus.Ok)
            {
                _operators.Add(target);
            }

            return status;
        }
    }

    /// <summary>Lifts the operator's block; a ban's of the same addresses stays.</summary>
    /// <returns>Nothing is changed unless Ok.</returns>
    public PcnStatus Unblock(BlockTarget target)
    {
        lock (_gate)
        {
            PcnStatus status = _banned.ContainsKey(target) ? PcnStatus.Ok : native(target, false);
            if (status == PcnStatus.Ok)
            {
                _operators.Remove(target);
            }

            return status;
        }
    }

    /// <summary>A ban takes addresses in; several may take in the same.</summary>
    /// <returns>False when there is no room: then they are not blocked.</returns>
    public bool Ban(IPNetwork network)
    {
        BlockTarget target = TargetOf(network);
        lock (_gate)
        {
            if (_banned.TryGetValue(target, out int bans))
            {
                _banned[target] = bans + 1;
                return true;
            }

            if (_banned.Count >= MaxBanned || (!_operators.Contains(target) && native(target, true) != PcnStatus.Ok))
            {
                return false;
            }

            _banned.Add(target, 1);
            return true;
        }
    }

    /// <summary>One of the bans that took addresses in has ended; an operator's block of the same stays.</summary>
    public void Lift(IPNetwork network)
    {
        BlockTarget target = TargetOf(network);
        lock (_gate)
        {
            if (!_banned.TryGetValue(target, out int bans))
            {
                return;
            }

            if (bans > 1)
            {
                _banned[target] = bans - 1;
                return;
            }

            _banned.Remove(target);
            if (!_operators.Contains(target))
            {
                native(target, false);
            }
        }
    }

    private static BlockTarget TargetOf(IPNetwork network) => BlockTarget.Of(network.BaseAddress, network.PrefixLength);
}
