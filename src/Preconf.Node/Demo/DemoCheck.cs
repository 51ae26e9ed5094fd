using Microsoft.Extensions.Logging.Abstractions;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Preconf.Node.Commands;

namespace Preconf.Node.Demo;

/// <summary>Checks the end of the demonstration from outside: by asking the nodes as any peer would, not by what they say of themselves.</summary>
internal sealed class DemoCheck(IReadOnlyList<DemoBlock> blocks, IReadOnlyList<SignedCommitment> chain, RoleOrder network, IReadOnlyList<Bytes32> hostileTxLists)
{
    /// <summary>Asks a node for everything and compares.</summary>
    /// <param name="node">The node.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommandException">Something is missing, different or too much.</exception>
    public async Task CompareAsync(DemoNode node, CancellationToken cancellationToken)
    {
        LightPeer light = await LightPeer.JoinAsync(network.ToConfig(), node.Addresses[0], NullLoggerFactory.Instance, cancellationToken).ConfigureAwait(false);
        await using (light.ConfigureAwait(false))
        {
            PreconfHead head = await light.Handle.RequestHeadAsync(light.Peer, cancellationToken).ConfigureAwait(false);
            Require(head.BlockNumber == blocks[^1].Number, $"{node.Name} has the head {head.BlockNumber}, not {blocks[^1].Number}");
            GetCommitmentsByNumberResponse page = await light.Handle
                .RequestCommitmentsAsync(UInt256.Zero, PreconfLimits.MaxCommitmentsPerResponse, light.Peer, cancellationToken).ConfigureAwait(false);
            Require(page.Commitments.Count == chain.Count, $"{node.Name} serves {page.Commitments.Count} commitments, not {chain.Count}");
            for (int i = 0; i < chain.Count; i++)
            {
                Require(Ssz(page.Commitments[i]).AsSpan().SequenceEqual(Ssz(chain[i])), $"{node.Name}: the commitment for block {blocks[i].Number} differs");
                GetRawTxListResponse list = await light.Handle.RequestTxListAsync(blocks[i].TxListHash, light.Peer, cancellationToken).ConfigureAwait(false);
                Require(list.TxList.Span.SequenceEqual(blocks[i].TxList), $"{node.Name}: the txlist of block {blocks[i].Number} is missing or differs");
            }
        }

        // Somebody else asks for what must not be there: a peer may ask for eight txlists in ten seconds.
        LightPeer other = await LightPeer.JoinAsync(network.ToConfig(), node.Addresses[0], NullLoggerFactory.Instance, cancellationToken).ConfigureAwait(false);
        await using (other.ConfigureAwait(false))
        {
            foreach (Bytes32 hash in hostileTxLists)
            {
                GetRawTxListResponse list = await other.Handle.RequestTxListAsync(hash, other.Peer, cancellationToken).ConfigureAwait(false);
                Require(!list.IsFound, $"{node.Name} serves {hash}, which only the hostile peer has sent");
            }
        }
    }

    /// <summary>Checks who refused what.</summary>
    /// <param name="honest">The honest nodes.</param>
    /// <param name="attacked">The one the hostile peer knew.</param>
    /// <param name="hostilePeers">The hostile peer's identities.</param>
    /// <param name="reasons">What must have been refused, in any order.</param>
    /// <exception cref="CommandException">A message was not refused, or reached somebody else.</exception>
    public static void Refusals(IEnumerable<DemoNode> honest, DemoNode attacked, IReadOnlySet<string> hostilePeers, IReadOnlyList<string> reasons)
    {
        Require(hostilePeers.Count == reasons.Count, $"the hostile peer came as {hostilePeers.Count}, not as {reasons.Count}");
        string[] refused = [.. attacked.Refused.Where(refusal => hostilePeers.Contains(refusal.Peer)).Select(refusal => refusal.Reason)];
        foreach (IGrouping<string, string> wanted in reasons.GroupBy(reason => reason))
        {
            int count = refused.Count(reason => reason == wanted.Key);
            Require(count >= wanted.Count(), $"{attacked.Name} refused {count} messages as {wanted.Key}; {wanted.Count()} were sent");
        }

        foreach (DemoNode node in honest.Where(node => node != attacked))
        {
            Require(node.Refused.Count == 0, $"{node.Name} got something to refuse ({node.Refused.FirstOrDefault()}): it was forwarded");
        }
    }

    private static byte[] Ssz(SignedCommitment commitment)
    {
        byte[] ssz = new byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in commitment, ssz);
        return ssz;
    }

    private static void Require(bool condition, string fault)
    {
        if (!condition)
        {
            throw new CommandException(ExitCode.Unexpected, "demo", fault);
        }
    }
}
