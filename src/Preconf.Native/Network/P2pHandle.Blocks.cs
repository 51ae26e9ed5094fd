using System.Text;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <content>The operator's blocks and protected peers.</content>
public sealed partial class P2pHandle
{
    /// <summary>What the operator has blocked: the configuration's targets and those set at run time. Bans of the node's own are not among them.</summary>
    public IReadOnlyList<BlockTarget> BlockedTargets => _node.Rules.Blocked;

    /// <summary>The peers over no limit on dials and connections: the configuration's and those set at run time. Static peers are protected beside them.</summary>
    public IReadOnlyList<PeerId> ProtectedPeers => _node.Rules.Protected;

    /// <summary>Whether a peer is one of <see cref="ProtectedPeers"/>, or a static peer whose protection has not been lifted.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>True when <see cref="UnprotectAsync"/> would change that.</returns>
    public bool IsProtected(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return _node.Rules.IsProtected(peer);
    }

    /// <summary>
    /// Blocks a peer, an address or a subnet: connections it is about are closed, none is made, and inbound ones of an address are refused before
    /// their handshake. Kept in the data directory, unless the node's key is ephemeral, until it is unblocked.
    /// </summary>
    /// <param name="target">What.</param>
    /// <param name="cancellationToken">Stops the waiting for the file; the block holds.</param>
    /// <exception cref="NetworkException">
    /// The node is not running, 3072 targets are blocked already, or the block holds but could not be kept.
    /// </exception>
    public Task BlockAsync(BlockTarget target, CancellationToken cancellationToken = default) => SetBlockedAsync(target, true, cancellationToken);

    /// <summary>
    /// Lifts a block of <see cref="BlockAsync"/> or the configuration; a configured one is back at the next start. A block of a subnet is lifted by the
    /// same subnet. A ban (<see cref="Ban"/>) of the same peer or addresses, and <see cref="SetBlocked"/>, are another matter and stay.
    /// </summary>
    /// <param name="target">What; one that is not blocked is no error.</param>
    /// <param name="cancellationToken">Stops the waiting for the file; the block is lifted.</param>
    /// <exception cref="NetworkException">The node is not running, or the block is lifted but that could not be kept.</exception>
    public Task UnblockAsync(BlockTarget target, CancellationToken cancellationToken = default) => SetBlockedAsync(target, false, cancellationToken);

    /// <summary>Protects a peer from the limits on dials and connections. A block outweighs it. Kept as <see cref="BlockAsync"/> keeps.</summary>
    /// <param name="peer">Whom.</param>
    /// <param name="cancellationToken">Stops the waiting for the file; the peer is protected.</param>
    /// <exception cref="NetworkException">The node is not running, 4096 peers are protected already, or it could not be kept.</exception>
    public Task ProtectAsync(PeerId peer, CancellationToken cancellationToken = default) => SetProtectedAsync(peer, true, cancellationToken);

    /// <summary>Lifts the protection of <see cref="ProtectAsync"/>, of the configuration, or of a static peer (these two until the next start).</summary>
    /// <param name="peer">Whom; one that is not protected is no error.</param>
    /// <param name="cancellationToken">Stops the waiting for the file; the protection is lifted.</param>
    /// <exception cref="NetworkException">The node is not running, or it could not be kept.</exception>
    public Task UnprotectAsync(PeerId peer, CancellationToken cancellationToken = default) => SetProtectedAsync(peer, false, cancellationToken);

    private Task SetBlockedAsync(BlockTarget target, bool blocked, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        NodeCore core = _node.Core;
        lock (_node.Rules.Changing)
        {
            Check(core, blocked ? core.Blocks.Block(target) : core.Blocks.Unblock(target), $"{target} was refused", OperatorRules.MaxBlocked);
            _node.Rules.SetBlocked(target, blocked);
        }

        return _node.Rules.SaveAsync(cancellationToken);
    }

    private Task SetProtectedAsync(PeerId peer, bool isProtected, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(peer);
        NodeCore core = _node.Core;
        lock (_node.Rules.Changing)
        {
            Check(core, core.Native.Protect(Encoding.ASCII.GetBytes(peer.ToString()), isProtected, out string text), text, OperatorRules.MaxRules);
            _node.Rules.SetProtected(peer, isProtected);
            core.WantedChanged();
        }

        return _node.Rules.SaveAsync(cancellationToken);
    }

    private static void Check(NodeCore core, PcnStatus status, string text, int most)
    {
        if (status != PcnStatus.Ok)
        {
            throw status switch
            {
                PcnStatus.Stopped or PcnStatus.InvalidHandle => core.Closed(),
                PcnStatus.QueueFull => new NetworkException(NetworkErrorKind.Other, $"there are {most} such rules already; lift some"),
                _ => new NetworkException(NetworkErrorKind.Other, text),
            };
        }
    }
}
