using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Preconf.Node.Commands;
using Preconf.Node.Output;

namespace Preconf.Node.Demo;

/// <summary>
/// Sends what is wrong. Its peer lowers its score with each refusal and soon hears no more of it, so it comes back for every message as
/// somebody new: each is judged, none dropped for who sent it.
/// </summary>
internal static class HostileRole
{
    /// <summary>A commitment by a key that is not elected.</summary>
    public const string WrongSigner = "wrongSigner";

    /// <summary>A real block's hash over other bytes.</summary>
    public const string BadHash = "badHash";

    /// <summary>Bytes that are no commitment.</summary>
    public const string GarbageCommitment = "garbageCommitment";

    /// <summary>Bytes that are no txlist.</summary>
    public const string GarbageTxList = "garbageTxList";

    /// <summary>A txlist of one byte more than is allowed.</summary>
    public const string OversizedTxList = "oversizedTxList";

    private const int GarbageBytes = 777;
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1.5);

    /// <summary>Carries out orders: the name of an attack and the index of the block it aims at.</summary>
    public static async Task RunAsync(RoleOrder order, RoleInput input, ILoggerFactory loggers, CancellationToken stop)
    {
        IReadOnlyList<DemoBlock> blocks = DemoChain.Load();
        JsonLines.StandardOutput.Write(json => json.WriteString("event", "ready"));
        while (true)
        {
            string[] words = (await input.NextAsync(stop).ConfigureAwait(false)).Split(' ');
            DemoBlock block = blocks[int.Parse(words[1], CultureInfo.InvariantCulture)];
            (GossipTopic topic, byte[] message, ReadOnlyMemory<byte> txList) = Make(words[0], block, Address.Parse(order.Slasher, null));
            await SendAsync(order, words[0], topic, message, txList, loggers, stop).ConfigureAwait(false);
        }
    }

    private static async Task SendAsync(
        RoleOrder order, string attack, GossipTopic topic, byte[] message, ReadOnlyMemory<byte> txList, ILoggerFactory loggers, CancellationToken stop)
    {
        LightPeer light = await LightPeer.JoinAsync(new P2pConfig(), Multiaddr.Parse(order.Peers[0]), loggers, stop).ConfigureAwait(false);
        await using (light.ConfigureAwait(false))
        {
            await light.Handle.WaitForSubscriberAsync(Timeout.InfiniteTimeSpan, stop).ConfigureAwait(false);
            PublishResult result = await light.Handle.PublishRawAsync(topic, message, stop).ConfigureAwait(false);
            JsonLines.StandardOutput.Write(json =>
            {
                json.WriteString("event", "attack");
                JsonEventOutput.WriteTime(json);
                json.WriteString("name", attack);
                json.WriteString("as", light.Handle.LocalPeerId.ToString());
                json.WriteString("topic", Names.Camel(topic));
                json.WriteNumber("bytes", message.Length);
                json.WriteNumber("peers", result.Peers);
                if (!txList.IsEmpty)
                {
                    json.WriteString("txListHash", Keccak256.Hash(txList.Span).ToString());
                }
            });

            // Taken by the queue is not yet sent.
            await Task.Delay(Linger, stop).ConfigureAwait(false);
        }
    }

    private static (GossipTopic Topic, byte[] Message, ReadOnlyMemory<byte> TxList) Make(string attack, DemoBlock block, Address slasher)
    {
        switch (attack)
        {
            case WrongSigner:
                using (PreconfSigner stranger = PreconfSigner.Generate())
                {
                    byte[] commitment = new byte[SignedCommitmentCodec.Size];
                    SignedCommitment signed = DemoChain.Sign(stranger, PreconfSigning.DefaultDomain, slasher, [block])[0];
                    SignedCommitmentCodec.Encode(in signed, commitment);
                    return (GossipTopic.Commitments, commitment, default);
                }

            case BadHash:
                byte[] changed = [.. block.TxList];
                changed[^1] ^= 1;
                return (GossipTopic.TxLists, Encode(block.TxListHash, changed), changed);
            case GarbageCommitment:
                return (GossipTopic.Commitments, RandomNumberGenerator.GetBytes(GarbageBytes), default);
            case GarbageTxList:
                return (GossipTopic.TxLists, RandomNumberGenerator.GetBytes(GarbageBytes), default);
            case OversizedTxList:
                byte[] large = RandomNumberGenerator.GetBytes(PreconfLimits.MaxTxListBytes + 1);
                return (GossipTopic.TxLists, Encode(Keccak256.Hash(large), large), large);
            default:
                throw new ArgumentException($"no attack '{attack}'", nameof(attack));
        }
    }

    // By hand: the codec does not write lists over the limit.
    private static byte[] Encode(in Bytes32 hash, ReadOnlySpan<byte> txList)
    {
        byte[] message = new byte[RawTxListGossipCodec.FixedSize + txList.Length];
        hash.AsSpan().CopyTo(message);
        BitConverter.TryWriteBytes(message.AsSpan(Bytes32.Size), RawTxListGossipCodec.FixedSize);
        txList.CopyTo(message.AsSpan(RawTxListGossipCodec.FixedSize));
        return message;
    }
}
