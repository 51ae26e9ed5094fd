using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.IntegrationTests.Nodes;
using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Node.ProgramTests;

/// <summary>What the program does with a peer that has a history.</summary>
public sealed class HistoryTests
{
    private const string Tcp = "/ip4/127.0.0.1/tcp/0";

    [Fact]
    public async Task ANodeThatRunsCatchesUpAndSaysSo()
    {
        await using P2pNode peer = await StartPeerAsync();
        Fill(peer, 1, 300, listAt: 150);
        (ProgramProcess process, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp, "--static-peer", AddressOf(peer));
        await using ProgramProcess node = process;
        JsonElement started = await node.WaitForAsync("catchUp", json => json.GetProperty("stage").GetString() == "started");
        Assert.Equal((0, 300, 301), (started.GetProperty("from").GetInt32(), started.GetProperty("to").GetInt32(), started.GetProperty("missing").GetInt32()));
        JsonElement ended = await node.WaitForAsync("catchUp", json => json.GetProperty("stage").GetString() == "ended");
        Assert.Equal((1, 300, 300, 1, 0, 0, true), (
            ended.GetProperty("from").GetInt32(), ended.GetProperty("to").GetInt32(), ended.GetProperty("commitments").GetInt32(), ended.GetProperty("txLists").GetInt32(),
            ended.GetProperty("missing").GetInt32(), ended.GetProperty("missingTxLists").GetInt32(), ended.GetProperty("complete").GetBoolean()));
        Assert.Equal(300, (await CommitmentsAsync(ProgramProcess.AddressOf(listening, "/tcp/"))).Length);

        // What it does is in the log too, in few lines.
        Assert.InRange(node.Errors.Split('\n').Count(line => line.Contains("Preconf.Native.Sync", StringComparison.Ordinal)), 1, 3);
    }

    [Fact]
    public async Task HowFarBackAndWhetherAtAllCanBeSaid()
    {
        await using P2pNode peer = await StartPeerAsync();
        Fill(peer, 1, 300);
        await using ProgramProcess late = ProgramProcess.Start(
            ["run", "--ephemeral-key", "--no-discovery", "--json", "--any-signer", "--listen", Tcp, "--static-peer", AddressOf(peer)],
            new Dictionary<string, string> { ["PRECONF_CATCH_UP_FROM"] = "200" });
        string address = ProgramProcess.AddressOf(await late.WaitForAsync("listening"), "/tcp/");
        JsonElement ended = await late.WaitForAsync("catchUp", json => json.GetProperty("stage").GetString() == "ended");
        Assert.Equal((200, 101), (ended.GetProperty("from").GetInt32(), ended.GetProperty("commitments").GetInt32()));
        Assert.Equal(101, (await CommitmentsAsync(address)).Length);

        (ProgramProcess process, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--no-catch-up", "--listen", Tcp, "--static-peer", AddressOf(peer));
        await using ProgramProcess idle = process;
        await idle.WaitForAsync("peerSubscription");
        await Task.Delay(2000);
        Assert.Equal(4, (await ProgramProcess.RunAsync("head", "--peer", ProgramProcess.AddressOf(listening, "/tcp/"))).ExitCode);

        Finished wrong = await ProgramProcess.RunAsync("run", "--ephemeral-key", "--any-signer", "--no-discovery", "--catch-up-from", "the beginning");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("--catch-up-from: 'the beginning'", wrong.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MoreCommitmentsThanTheLimitsLetThroughAtOnceAreShownPageByPage()
    {
        await using P2pNode peer = await StartPeerAsync();
        Fill(peer, 1, 2400);
        Finished all = await ProgramProcess.RunAsync("commitments", "--peer", AddressOf(peer), "--count", "2400", "--json", "--timeout", "5");
        Assert.True(all.ExitCode == 0, all.Errors);
        Assert.Equal(Enumerable.Range(1, 2400), Lines(all).Select(line => line.GetProperty("block").GetInt32()));

        // A peer that stands still takes nothing back of what has been shown.
        await using ProgramProcess broken = ProgramProcess.Start(["commitments", "--peer", AddressOf(peer), "--count", "2400", "--timeout", "5"]);
        await broken.WaitForTextAsync("BLOCK");
        await peer.StopAsync();
        Finished cut = await broken.FinishAsync();
        Assert.NotEqual(0, cut.ExitCode);
        Assert.True(cut.Output.Split('\n').Length > 256, cut.Output);
        Assert.Equal(1, cut.Output.Split('\n').Count(line => line.StartsWith("BLOCK", StringComparison.Ordinal)));
        string[] rows = [.. cut.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.All(rows, row => Assert.Equal(rows[0].IndexOf("SIGNER", StringComparison.Ordinal), row.Contains("SIGNER", StringComparison.Ordinal) ? row.IndexOf("SIGNER", StringComparison.Ordinal) : row.LastIndexOf("0x", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task APublishWaitsForAPeerThatTakesTheTxListAfterTheCommitment()
    {
        using TestFolder folder = new();
        Assert.Equal(0, (await ProgramProcess.RunAsync("key", "make", "--out", folder["signer.key"])).ExitCode);
        await File.WriteAllBytesAsync(folder["txlist"], [1, 2, 3]);
        await using P2pNode peer = await StartPeerAsync(new SlowListStore());
        Finished published = await ProgramProcess.RunAsync(
            "publish", "--peer", AddressOf(peer), "--key", folder["signer.key"], "--txlist", folder["txlist"], "--block", "7", "--parent", "0x" + new string('0', 64), "--json");
        Assert.True(published.ExitCode == 0, published.Errors);
        Assert.True(published.Json.GetProperty("held").GetBoolean());
    }

    private static async Task<P2pNode> StartPeerAsync(PassingStore? store = null)
    {
        P2pConfig config = new() { Listen = [Tcp], EphemeralKey = true, AnySigner = true, EnableDiscovery = false };
        P2pNode node = P2pNode.Create(config, new P2pNodeServices { Store = store });
        await node.StartAsync();
        await node.Handle.WaitForListenAddressAsync(ProgramProcess.Patience);
        return node;
    }

    private static string AddressOf(P2pNode node) => node.Handle.DialableAddresses[0].ToString();

    private static void Fill(P2pNode node, ulong from, ulong to, ulong listAt = 0)
    {
        using PreconfSigner signer = PreconfSigner.Generate();
        Bytes32 domain = PreconfSigning.DefaultDomain;
        byte[] list = [1, 2, 3];
        Bytes32 listHash = Keccak256.Hash(list);
        if (listAt != 0)
        {
            node.Handle.Store.AddTxList(in listHash, list);
        }

        for (ulong block = from; block <= to; block++)
        {
            Preconfirmation preconf = new()
            {
                Eop = block != listAt,
                BlockNumber = block,
                Timestamp = 1_744_218_460 + (2 * block),
                RawTxListHash = block == listAt ? listHash : default,
                SubmissionWindowEnd = 1_744_218_462 + (2 * block),
            };
            PreconfCommitment commitment = new(in preconf, default);
            SignedCommitment signed = signer.Sign(in domain, in commitment);
            Bytes32 hash = PreconfSigning.PreconfirmationHash(in preconf);
            node.Handle.Store.AddCommitment(in signed, in hash, signer.Address);
        }
    }

    private static async Task<JsonElement[]> CommitmentsAsync(string peer)
    {
        Finished finished = await ProgramProcess.RunAsync("commitments", "--peer", peer, "--count", "512", "--json");
        Assert.True(finished.ExitCode == 0, finished.Errors);
        return Lines(finished);
    }

    private static JsonElement[] Lines(Finished finished) =>
        [.. finished.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Shows no txlist before its commitment has been looked at three times.</summary>
    private sealed class SlowListStore : PassingStore
    {
        private int _looks;

        public override int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination)
        {
            int written = base.GetCommitments(startBlock, maxCount, destination);
            Interlocked.Add(ref _looks, written == 0 ? 0 : 1);
            return written;
        }

        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
        {
            bool held = base.TryGetTxList(in hash, out txList);
            if (Volatile.Read(ref _looks) < 3)
            {
                (held, txList) = (false, default);
            }

            return held;
        }
    }
}
