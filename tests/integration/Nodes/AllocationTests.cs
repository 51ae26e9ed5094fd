using Preconf.Native.Network;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Measures the whole process, so nothing else may run beside it.</summary>
[Collection(nameof(Alone))]
public sealed class AllocationTests(ITestOutputHelper output)
{
    private const int Events = 100_000;
    private const int WarmUp = 20_000;
    private const int InFlight = 64;
    private const int Ring = 65_536;

    [Fact]
    public async Task AHundredThousandEventsAllocateNothingEach()
    {
        await using TestNet net = new();
        P2pNode a = await net.StartAsync(Bounded());
        P2pNode b = await net.StartAsync(Bounded());
        await TestNet.ConnectAsync(a, b);
        SignedCommitment[] commitments = new SignedCommitment[WarmUp + Events];
        Parallel.For(0, commitments.Length, i => commitments[i] = net.Commit((ulong)i + 1));
        using EventReader<NetworkEvent> events = b.Handle.Subscribe(capacity: Ring);

        // A reader's ring grows when its task gets no processor for a while; here it has grown before, with room left for what else the node tells meanwhile.
        for (int i = 0; i <= Ring / 2; i++)
        {
            b.Core.Emit(default);
        }

        Task<int> reading = Task.Run(() => ReadAsync(events, WarmUp));
        await PublishAsync(a, commitments.AsMemory(0, WarmUp));
        Assert.Equal(WarmUp, await reading.WaitAsync(TestNet.Patience));

        reading = Task.Run(() => ReadAsync(events, Events));
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await PublishAsync(a, commitments.AsMemory(WarmUp));
        int read = await reading.WaitAsync(TestNet.Patience);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;

        output.WriteLine($"{allocated} bytes for {read} commitments published, gossiped, verified, stored and read: {(double)allocated / read:F2} each");
        Assert.Equal(Events, read);
        Assert.Equal(0, events.Dropped);

        // An object is 24 bytes at least: one each would be 2.4 MB.
        Assert.InRange(allocated, 0, Events * 4);
    }

    private static P2pConfig Bounded()
    {
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Store.MaxCommitments = 4096;
        return config;
    }

    private static async Task PublishAsync(P2pNode node, ReadOnlyMemory<SignedCommitment> commitments)
    {
        ValueTask<PublishResult>[] window = new ValueTask<PublishResult>[InFlight];
        for (int i = 0; i < commitments.Length + InFlight; i++)
        {
            int slot = i % InFlight;
            if (i >= InFlight)
            {
                PublishResult result = await window[slot];
                if (!result.IsSent)
                {
                    throw new InvalidOperationException($"publish {i - InFlight} ended {result}");
                }
            }

            if (i < commitments.Length)
            {
                window[slot] = node.Handle.PublishCommitmentAsync(commitments.Span[i]);
            }
        }
    }

    private static async Task<int> ReadAsync(EventReader<NetworkEvent> events, int count)
    {
        int read = 0;
        while (read < count && await events.WaitToReadAsync(CancellationToken.None))
        {
            while (read < count && events.TryRead(out NetworkEvent networkEvent))
            {
                read += networkEvent.Kind == NetworkEventKind.GossipSignedCommitment ? 1 : 0;
            }
        }

        return read;
    }
}

/// <summary>Tests that measure the process run one by one.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
