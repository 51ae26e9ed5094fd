using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Preconf.Native.Crypto;

namespace Preconf.Node.ProgramTests;

public sealed class PeerTests
{
    [Theory]
    [InlineData("/ip4/127.0.0.1/tcp/0", "/tcp/")]
    [InlineData("/ip4/127.0.0.1/udp/0/quic-v1", "/quic-v1")]
    public async Task WhatIsPublishedIsServed(string listen, string transport)
    {
        using TestFolder folder = new();
        string signer = (await ProgramProcess.RunAsync("key", "make", "--out", folder["signer.key"], "--json")).Json.GetProperty("address").GetString()!;
        (ProgramProcess node, JsonElement listening) = await ProgramProcess.StartNodeAsync("--expected-signer", signer, "--listen", listen);
        await using ProgramProcess one = node;
        string peer = ProgramProcess.AddressOf(listening, transport);
        byte[] txList = RandomNumberGenerator.GetBytes(40_000);
        await File.WriteAllBytesAsync(folder["txlist"], txList);
        string hash = Keccak256.Hash(txList).ToString();

        Finished published = await ProgramProcess.RunAsync(
            "publish", "--peer", peer, "--key", folder["signer.key"], "--txlist", folder["txlist"], "--block", "41", "--timestamp", "1744218460", "--gas-limit", "60000000", "--json");
        Assert.True(published.ExitCode == 0, published.Errors);
        Assert.Equal((1, 1, true), (
            published.Json.GetProperty("txListPeers").GetInt32(), published.Json.GetProperty("commitmentPeers").GetInt32(), published.Json.GetProperty("held").GetBoolean()));
        JsonElement seen = await node.WaitForAsync("gossipSignedCommitment");
        Assert.Equal((41, "accept", signer, "commitments"), (
            seen.GetProperty("block").GetInt32(), seen.GetProperty("verdict").GetString(), seen.GetProperty("signer").GetString(), seen.GetProperty("topic").GetString()));
        Assert.Equal(published.Json.GetProperty("hash").GetString(), seen.GetProperty("hash").GetString());

        // The next block names it as its parent without being told.
        Finished next = await ProgramProcess.RunAsync("publish", "--peer", peer, "--key", folder["signer.key"], "--eop", "--block", "42");
        Assert.True(next.ExitCode == 0, next.Errors);
        Assert.Contains("held        yes", next.Output, StringComparison.Ordinal);

        Finished head = await ProgramProcess.RunAsync("head", "--peer", peer, "--json");
        Assert.Equal(42, head.Json.GetProperty("block").GetInt32());
        Assert.Contains("42", (await ProgramProcess.RunAsync("head", "--peer", peer)).Output, StringComparison.Ordinal);

        Finished both = await ProgramProcess.RunAsync("commitments", "--peer", peer, "--json");
        JsonElement[] lines = [.. both.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([41, 42], lines.Select(line => line.GetProperty("block").GetInt32()));
        Assert.Equal(lines[0].GetProperty("hash").GetString(), lines[1].GetProperty("parent").GetString());
        Assert.Equal(hash, lines[0].GetProperty("txListHash").GetString());
        Finished table = await ProgramProcess.RunAsync("commitments", "--peer", peer, "--from", "42", "--count", "1");
        Assert.Equal(2, table.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        Finished list = await ProgramProcess.RunAsync("txlist", hash, "--peer", peer, "--out", folder["got"]);
        Assert.True(list.ExitCode == 0, list.Errors);
        Assert.Equal(txList, await File.ReadAllBytesAsync(folder["got"]));
        Finished json = await ProgramProcess.RunAsync("txlist", hash, "--peer", peer, "--json");
        Assert.Equal("0x" + Convert.ToHexStringLower(txList), json.Json.GetProperty("txList").GetString());
    }

    [Fact]
    public async Task EachFailureHasItsExitCode()
    {
        using TestFolder folder = new();
        Assert.Equal(0, (await ProgramProcess.RunAsync("key", "make", "--out", folder["stranger.key"])).ExitCode);
        (ProgramProcess node, JsonElement listening) = await ProgramProcess.StartNodeAsync(
            "--expected-signer", "0x00000000000000000000000000000000000000aa", "--listen", "/ip4/127.0.0.1/tcp/0");
        await using ProgramProcess one = node;
        string peer = ProgramProcess.AddressOf(listening, "/tcp/");

        await FailsAsync(4, "error[empty]", "head", "--peer", peer);
        await FailsAsync(4, "error[empty]", "commitments", "--peer", peer);
        await FailsAsync(4, "error[empty]", "txlist", Keccak256.Hash("no"u8).ToString(), "--peer", peer);
        await FailsAsync(5, "error[not_taken]", "publish", "--peer", peer, "--key", folder["stranger.key"], "--eop", "--block", "1");
        JsonElement rejected = await node.WaitForAsync("gossipRejected");
        Assert.Equal(("reject", "wrongSigner"), (rejected.GetProperty("verdict").GetString(), rejected.GetProperty("reason").GetString()));
        await FailsAsync(5, "error[reqresp_failure]", "head", "--peer", peer, "--chain-id", "1");
        await FailsAsync(2, "--txlist: none given", "publish", "--peer", peer, "--key", folder["stranger.key"], "--block", "1");

        string stranger = string.Create(CultureInfo.InvariantCulture, $"{peer[..peer.LastIndexOf('/')]}/16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx");
        await FailsAsync(3, "error[dial_failed]", "head", "--peer", stranger);
        await FailsAsync(3, "error[dial_failed]", "head", "--peer", "/ip4/127.0.0.1/tcp/1");
        await FailsAsync(2, "--timeout: '1200h' is not", "head", "--peer", peer, "--timeout", "1200h");
        await FailsAsync(2, "--timeout: '0' is not", "head", "--peer", peer, "--timeout", "0");

        node.Signal(19);
        await FailsAsync(6, "error[timeout]", "head", "--peer", peer, "--timeout", "1.5");
        node.Signal(ProgramProcess.SigKill);
    }

    private static async Task FailsAsync(int exitCode, string error, params string[] arguments)
    {
        Finished finished = await ProgramProcess.RunAsync(arguments);
        Assert.True(finished.ExitCode == exitCode, $"{string.Join(' ', arguments)} ended with {finished.ExitCode}: {finished.Errors}");
        Assert.Contains(error, finished.Errors, StringComparison.Ordinal);
    }
}
