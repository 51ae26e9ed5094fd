using System.Diagnostics;
using System.Globalization;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.Soak;

/// <summary>
/// One node in a process of its own, a crowd of peers around it, some of which leave and come at every moment while commitments go round: from one
/// that stays, by the node, to another that stays. At the end the node must have seen all who came, heard and forwarded what was published, have all its peers,
/// be within its memory, and not have grown since the first third, in threads and open files neither.
/// </summary>
internal static class Soak
{
    /// <summary>What the process may gain between the first third and the end, in parts of the former and in MiB: the collector's freedom.</summary>
    private const double Growth = 0.10;
    private const double GrowthMiB = 12;

    /// <summary>Threads and open files that may come and go.</summary>
    private const int Play = 16;

    /// <summary>Of those who came and of what was published, so much must have arrived.</summary>
    private const double Share = 0.9;

    private const int PublishesPerSecond = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(5);

    public static async Task<bool> RunAsync(SoakOptions options)
    {
        (NodeProcess node, string address) = await NodeProcess.StartAsync(Math.Max(options.Peers * 2, new P2pConfig().Peers.Target));
        using NodeProcess running = node;
        Multiaddr target = Multiaddr.Parse(address);
        Say($"alone: {Text(node)}");
        P2pNode[] crowd = new P2pNode[options.Peers];
        await Parallel.ForAsync(0, crowd.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, _) => crowd[i] = await JoinAsync(target));
        bool good = await UntilAsync(() => node.Peers == options.Peers);
        Say($"{node.Peers} peers: {Text(node)}");
        using PreconfSigner signer = PreconfSigner.Generate();
        using CancellationTokenSource enough = new();
        int forwarded = 0;
        using IDisposable listening = crowd[1].Handle.OnEvent(told => forwarded += told.Kind == NetworkEventKind.GossipSignedCommitment ? 1 : 0);
        Task<int> publishing = PublishAsync(crowd[0], signer, enough.Token);
        (Measured early, int replaced) = await ChurnAsync(options, node, crowd, target);
        good &= await UntilAsync(() => node.Peers == options.Peers);
        await enough.CancelAsync();
        int published = await publishing;
        await Task.Delay(Rest);
        Measured late = node.Measure();
        await Parallel.ForEachAsync(crowd, async (peer, _) => await peer.DisposeAsync());
        good &= await UntilAsync(() => node.Peers == 0);
        Say($"at the end, alone: {Text(node)}");
        Said said = new(options.Peers + replaced, published, Volatile.Read(ref forwarded));
        return Judge(options, node, good, said, early, late);
    }

    private static bool Judge(SoakOptions options, NodeProcess node, bool good, Said said, Measured early, Measured late)
    {
        double allowed = (early.MiB * (1 + Growth)) + GrowthMiB;
        string[] faults =
        [
            .. Fault(node.HasExited, $"the node has exited"),
            .. Fault(!good, $"the node did not have all its peers, or not lose them, in time"),
            .. Fault(node.Arrivals < Share * said.Joined, $"{said.Joined} peers came, and the node tells of {node.Arrivals}"),
            .. Fault(said.Published == 0, $"nothing was published"),
            .. Fault(node.Commitments < Share * said.Published, $"{said.Published} commitments were published, and the node tells of {node.Commitments}"),
            .. Fault(said.Forwarded < Share * said.Published, $"{said.Published} commitments were published, and {said.Forwarded} came to a peer by the node"),
            .. Fault(late.MiB > options.BudgetMiB, $"{late.MiB:0} MiB at the end are over the budget of {options.BudgetMiB} MiB"),
            .. Fault(late.MiB > allowed, $"it has grown from {early.MiB:0} to {late.MiB:0} MiB; {allowed:0} were allowed"),
            .. Fault(late.Threads > early.Threads + Play, $"its threads have grown from {early.Threads} to {late.Threads}"),
            .. Fault(late.Files > early.Files + Play, $"its open files have grown from {early.Files} to {late.Files}"),
        ];
        foreach (string fault in faults)
        {
            Say($"error: {fault}");
        }

        if (faults.Length == 0)
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"note: {options.Peers} peers, {node.Arrivals} came; of {said.Published} commitments {node.Commitments} were heard, {said.Forwarded} forwarded; {early.MiB:0} MiB in the first third, {late.MiB:0} MiB at the end, budget {options.BudgetMiB} MiB"));
        }

        return faults.Length == 0;
    }

    private static string[] Fault(bool isThere, FormattableString what) => isThere ? [what.ToString(CultureInfo.InvariantCulture)] : [];

    // Replaces the oldest first, so that everyone goes once; what is measured after a third of the time is given back, and how many were replaced.
    private static async Task<(Measured Early, int Replaced)> ChurnAsync(SoakOptions options, NodeProcess node, P2pNode[] crowd, Multiaddr target)
    {
        long started = Stopwatch.GetTimestamp();
        Measured? early = null;
        int replaced = 0;
        TimeSpan told = TimeSpan.Zero;
        while (Stopwatch.GetElapsedTime(started) is var elapsed && elapsed < options.Time)
        {
            int due = (int)(elapsed.TotalSeconds * options.Churn) - replaced;
            await Parallel.ForAsync(0, due, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, _) =>
            {
                int place = ((replaced + i) % (crowd.Length - SoakOptions.Staying)) + SoakOptions.Staying;
                await crowd[place].DisposeAsync();
                crowd[place] = await JoinAsync(target);
            });
            replaced += due;
            if (elapsed - told >= options.Time / 6)
            {
                told = elapsed;
                Say(string.Create(CultureInfo.InvariantCulture, $"{elapsed.TotalSeconds:0} s, {replaced} replaced, {node.Peers} peers: {Text(node)}"));
            }

            if (early is null && elapsed >= options.Time / 3)
            {
                early = node.Measure();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }

        return (early ?? node.Measure(), replaced);
    }

    // Gives back how many commitments a peer took.
    private static async Task<int> PublishAsync(P2pNode publisher, PreconfSigner signer, CancellationToken cancellationToken)
    {
        byte[] txList = new byte[4096];
        int sent = 0;
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1.0 / PublishesPerSecond));
        try
        {
            for (ulong block = 1; await timer.WaitForNextTickAsync(cancellationToken); block++)
            {
                Random.Shared.NextBytes(txList);
                await publisher.Handle.PublishTxListAsync(txList, CancellationToken.None);
                PublishResult result = await publisher.Handle.PublishCommitmentAsync(Commit(signer, block, Keccak256.Hash(txList)), CancellationToken.None);
                sent += result.IsSent ? 1 : 0;
            }
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }

        return sent;
    }

    private static SignedCommitment Commit(PreconfSigner signer, ulong block, Bytes32 txListHash)
    {
        Bytes32 domain = PreconfSigning.DefaultDomain;
        Preconfirmation preconf = new()
        {
            BlockNumber = block,
            Timestamp = 1_744_218_460 + (2 * block),
            GasLimit = 60_000_000,
            RawTxListHash = txListHash,
            SubmissionWindowEnd = 1_744_218_462 + (2 * block),
        };
        PreconfCommitment commitment = new(in preconf, default);
        return signer.Sign(in domain, in commitment);
    }

    private static async Task<P2pNode> JoinAsync(Multiaddr target)
    {
        P2pConfig config = new()
        {
            Listen = [],
            EphemeralKey = true,
            AnySigner = true,
            EnableDiscovery = false,
            Resources = { RingSlots = 256, RingReserved = 64, ValidationLanes = 1, NativeThreads = 1 },
            Store = { MaxBytes = 4 << 20 },
        };
        P2pNode peer = P2pNode.Create(config);
        await peer.StartAsync();
        try
        {
            await peer.Handle.DialAsync(target);
        }
        catch (NetworkException error)
        {
            Say($"a peer could not join: {error.Message}");
        }

        return peer;
    }

    private static async Task<bool> UntilAsync(Func<bool> condition)
    {
        long started = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(started) < Patience)
        {
            await Task.Delay(50);
        }

        return condition();
    }

    private static string Text(NodeProcess node)
    {
        Measured now = node.Measure();
        return string.Create(CultureInfo.InvariantCulture, $"{now.MiB:0.0} MiB, {now.Threads} threads, {now.Files} files");
    }

    private static void Say(string text) => Console.WriteLine(text);

    /// <summary>What was done to the node.</summary>
    /// <param name="Joined">Peers that came to it.</param>
    /// <param name="Published">Commitments that it was sent by one of them.</param>
    /// <param name="Forwarded">Of those, how many another heard from it.</param>
    private sealed record Said(int Joined, int Published, int Forwarded);
}
