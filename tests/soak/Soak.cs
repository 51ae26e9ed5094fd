using System.Diagnostics;
using System.Globalization;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.Soak;

/// <summary>
/// One node in a process of its own, a crowd of peers around it, some of which leave and come at every moment while commitments go round. At
/// the end the node must have all its peers, be within its memory, and not have grown since the first third.
/// </summary>
internal static class Soak
{
    /// <summary>What the process may gain between the first third and the end, in parts of the former and in MiB: the collector's freedom.</summary>
    private const double Growth = 0.10;
    private const double GrowthMiB = 12;

    private const int PublishesPerSecond = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(5);

    public static async Task<bool> RunAsync(SoakOptions options)
    {
        (NodeProcess node, string address) = await NodeProcess.StartAsync(options.Peers * 2);
        using NodeProcess running = node;
        Multiaddr target = Multiaddr.Parse(address);
        Say($"alone: {Text(node)}");
        P2pNode[] crowd = new P2pNode[options.Peers];
        await Parallel.ForAsync(0, crowd.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, _) => crowd[i] = await JoinAsync(target));
        bool good = await UntilAsync(() => node.Peers == options.Peers);
        Say($"{node.Peers} peers: {Text(node)}");
        using PreconfSigner signer = PreconfSigner.Generate();
        using CancellationTokenSource enough = new();
        Task publishing = PublishAsync(crowd, signer, enough.Token);
        double early = await ChurnAsync(options, node, crowd, target);
        good &= await UntilAsync(() => node.Peers == options.Peers);
        await enough.CancelAsync();
        await publishing;
        await Task.Delay(Rest);
        (double late, int threads, int files) = node.Measure();
        await Parallel.ForEachAsync(crowd, async (peer, _) => await peer.DisposeAsync());
        good &= await UntilAsync(() => node.Peers == 0);
        Say($"at the end, alone: {Text(node)}");
        return Judge(options, node, good, early, late);
    }

    private static bool Judge(SoakOptions options, NodeProcess node, bool good, double early, double late)
    {
        double allowed = (early * (1 + Growth)) + GrowthMiB;
        string[] faults =
        [
            .. node.HasExited ? ["the node has exited"] : Array.Empty<string>(),
            .. good ? [] : new[] { "the node did not have all its peers, or not lose them, in time" },
            .. late <= options.BudgetMiB ? [] : new[] { string.Create(CultureInfo.InvariantCulture, $"{late:0} MiB at the end are over the budget of {options.BudgetMiB} MiB") },
            .. late <= allowed ? [] : new[] { string.Create(CultureInfo.InvariantCulture, $"it has grown from {early:0} to {late:0} MiB; {allowed:0} were allowed") },
        ];
        foreach (string fault in faults)
        {
            Say($"error: {fault}");
        }

        if (faults.Length == 0)
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"note: {options.Peers} peers, {node.Arrivals} came; {early:0} MiB in the first third, {late:0} MiB at the end, budget {options.BudgetMiB} MiB"));
        }

        return faults.Length == 0;
    }

    // Replaces the oldest first, so that everyone goes once; the memory after a third of the time is given back.
    private static async Task<double> ChurnAsync(SoakOptions options, NodeProcess node, P2pNode[] crowd, Multiaddr target)
    {
        long started = Stopwatch.GetTimestamp();
        double early = 0;
        int replaced = 0;
        TimeSpan told = TimeSpan.Zero;
        while (Stopwatch.GetElapsedTime(started) is var elapsed && elapsed < options.Time)
        {
            int due = (int)(elapsed.TotalSeconds * options.Churn) - replaced;
            await Parallel.ForAsync(0, due, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, _) =>
            {
                int place = (replaced + i) % (crowd.Length - 1) + 1;
                await crowd[place].DisposeAsync();
                crowd[place] = await JoinAsync(target);
            });
            replaced += due;
            if (elapsed - told >= options.Time / 6)
            {
                told = elapsed;
                Say(string.Create(CultureInfo.InvariantCulture, $"{elapsed.TotalSeconds:0} s, {replaced} replaced, {node.Peers} peers: {Text(node)}"));
            }

            if (early == 0 && elapsed >= options.Time / 3)
            {
                early = node.Measure().MiB;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }

        return early;
    }

    // The first of the crowd stays and publishes.
    private static async Task PublishAsync(P2pNode[] crowd, PreconfSigner signer, CancellationToken cancellationToken)
    {
        byte[] txList = new byte[4096];
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1.0 / PublishesPerSecond));
        try
        {
            for (ulong block = 1; await timer.WaitForNextTickAsync(cancellationToken); block++)
            {
                Random.Shared.NextBytes(txList);
                await crowd[0].Handle.PublishTxListAsync(txList, cancellationToken);
                await crowd[0].Handle.PublishCommitmentAsync(Commit(signer, block, Keccak256.Hash(txList)), cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }
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
        (double memory, int threads, int files) = node.Measure();
        return string.Create(CultureInfo.InvariantCulture, $"{memory:0.0} MiB, {threads} threads, {files} files");
    }

    private static void Say(string text) => Console.WriteLine(text);
}
