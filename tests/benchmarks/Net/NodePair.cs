using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>Two connected nodes in this process: one publishes and asks, the other receives and answers.</summary>
internal sealed class NodePair : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private NodePair(P2pNode from, P2pNode to, ICommitmentStore fromStore, ICommitmentStore toStore)
    {
        From = from;
        To = to;
        FromStore = fromStore;
        ToStore = toStore;
    }

    public P2pNode From { get; }

    public P2pNode To { get; }

    public ICommitmentStore FromStore { get; }

    public ICommitmentStore ToStore { get; }

    /// <summary>Who signs the commitments of <see cref="Sign"/>.</summary>
    public static Address Signer
    {
        get
        {
            using PreconfSigner signer = NewSigner();
            return signer.Address;
        }
    }

    public static P2pConfig Config(NetOptions options) => new()
    {
        Listen = [options.Quic ? "/ip4/127.0.0.1/udp/0/quic-v1" : "/ip4/127.0.0.1/tcp/0"],
        EphemeralKey = true,
        AnySigner = true,
        EnableDiscovery = false,
        RateLimit = { Enabled = false },
        PublishTimeout = TimeSpan.FromSeconds(30),
        Gossip = { Author = options.Author },
        Store = { MaxUnreferencedBytes = 64L << 20, MaxBytes = 512L << 20 },
        Resources = { SubscriptionCapacity = 1 << 16 },
    };

    public static async Task<P2pNode> ListenAsync(P2pConfig config, ICommitmentStore? store = null)
    {
        P2pNode node = P2pNode.Create(config, new P2pNodeServices { Store = store });
        await node.StartAsync();
        await node.Handle.WaitForListenAddressAsync(Patience);
        return node;
    }

    /// <summary>Starts both and waits until each is in the other's meshes.</summary>
    public static async Task<NodePair> ConnectAsync(NetOptions options, ICommitmentStore? fromStore = null, ICommitmentStore? toStore = null)
    {
        P2pConfig config = Config(options);
        config.Gossip.UnreferencedTxListBurst = config.Gossip.UnreferencedTxListRate = 1L << 40;
        toStore ??= new InMemoryStore(config.Store);
        fromStore ??= new InMemoryStore(config.Store);
        P2pNode to = await ListenAsync(config, toStore);
        P2pNode from = await ListenAsync(config, fromStore);
        await from.Handle.DialAsync(to.Handle.DialableAddresses[0]).WaitAsync(Patience);
        await WaitForMeshAsync(from);
        await WaitForMeshAsync(to);
        return new NodePair(from, to, fromStore, toStore);
    }

    /// <summary>Waits until a node has a peer in both its meshes.</summary>
    public static async Task WaitForMeshAsync(P2pNode node)
    {
        using CancellationTokenSource patience = new(Patience);
        while (node.Handle.GetStats() is { MeshCommitments: 0 } or { MeshTxLists: 0 })
        {
            await Task.Delay(10, patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await From.DisposeAsync();
        await To.DisposeAsync();
    }

    /// <summary>Signs commitments for the blocks from 1 on, on all cores.</summary>
    public static SignedCommitment[] Sign(int count)
    {
        using PreconfSigner signer = NewSigner();
        SignedCommitment[] signed = new SignedCommitment[count];
        Parallel.For(0, count, i =>
        {
            ulong block = (ulong)i + 1;
            Preconfirmation preconf = new()
            {
                Eop = true,
                BlockNumber = block,
                Timestamp = 1_744_218_460 + (2 * block),
                GasLimit = 60_000_000,
                SubmissionWindowEnd = 1_744_218_462 + (2 * block),
            };
            Bytes32 domain = PreconfSigning.DefaultDomain;
            PreconfCommitment commitment = new(in preconf, default);
            signed[i] = signer.Sign(in domain, in commitment);
        });
        return signed;
    }

    private static PreconfSigner NewSigner()
    {
        byte[] secret = new byte[32];
        Array.Fill(secret, (byte)7);
        return new PreconfSigner(secret);
    }

    /// <summary>Txlists of so many bytes, incompressible, each starting with its number.</summary>
    public static RawTxListGossip[] MakeTxLists(int count, int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        RawTxListGossip[] made = new RawTxListGossip[count];
        for (int number = 0; number < count; number++)
        {
            byte[] own = (byte[])bytes.Clone();
            BitConverter.TryWriteBytes(own, (long)number);
            made[number] = new RawTxListGossip(Keccak256.Hash(own), own);
        }

        return made;
    }
}
