using System.Text.Json;

namespace Preconf.Node.ProgramTests;

public sealed class RunTests
{
    private const string Tcp = "/ip4/127.0.0.1/tcp/0";
    private const string Quic = "/ip4/127.0.0.1/udp/0/quic-v1";

    // The promise of the network: a peer that is gone without a word is noticed within this.
    private static readonly TimeSpan NoticedWithin = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task TheFirstLineSaysWhoListensAndWhere()
    {
        (ProgramProcess node, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp, "--listen", Quic);
        await using (node)
        {
            string peer = listening.GetProperty("peerId").GetString()!;
            string[] addresses = [.. listening.GetProperty("addresses").EnumerateArray().Select(address => address.GetString()!)];
            Assert.Equal(2, addresses.Length);
            Assert.All(addresses, address => Assert.EndsWith("/p2p/" + peer, address, StringComparison.Ordinal));
            Assert.DoesNotContain(addresses, address => address.Contains("/0/", StringComparison.Ordinal));

            node.Signal(ProgramProcess.SigTerm);
            Finished finished = await node.FinishAsync();
            Assert.StartsWith("{\"event\":\"listening\"", finished.Output, StringComparison.Ordinal);
            Assert.Equal("stopped", JsonDocument.Parse(finished.Output.TrimEnd().Split('\n')[^1]).RootElement.GetProperty("event").GetString());
        }
    }

    [Theory]
    [InlineData(Tcp, "/tcp/", ProgramProcess.SigTerm)]
    [InlineData(Quic, "/quic-v1", ProgramProcess.SigInt)]
    public async Task TwoNodesConnectAndASignalEndsEitherInOrder(string listen, string transport, int signal)
    {
        (ProgramProcess first, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", listen);
        await using ProgramProcess one = first;
        (ProgramProcess second, JsonElement other) = await ProgramProcess.StartNodeAsync(
            "--any-signer", "--listen", listen, "--static-peer", ProgramProcess.AddressOf(listening, transport));
        await using ProgramProcess two = second;
        string firstId = listening.GetProperty("peerId").GetString()!;
        string secondId = other.GetProperty("peerId").GetString()!;

        await second.WaitForAsync("peerConnected", json => json.GetProperty("peer").GetString() == firstId);
        await first.WaitForAsync("peerSubscription", json => json.GetProperty("peer").GetString() == secondId && json.GetProperty("topic").GetString() == "commitments");

        second.Signal(signal);
        Assert.Equal(0, (await second.FinishAsync(TimeSpan.FromSeconds(10))).ExitCode);
        await first.WaitForAsync("peerDisconnected", json => json.GetProperty("peer").GetString() == secondId);
        first.Signal(signal);
        Assert.Equal(0, (await first.FinishAsync(TimeSpan.FromSeconds(10))).ExitCode);
    }

    [Theory]
    [InlineData(Tcp, "/tcp/")]
    [InlineData(Quic, "/quic-v1")]
    public async Task ANodeKilledOutrightIsNoticed(string listen, string transport)
    {
        (ProgramProcess first, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", listen);
        await using ProgramProcess one = first;
        (ProgramProcess second, JsonElement other) = await ProgramProcess.StartNodeAsync(
            "--any-signer", "--listen", listen, "--static-peer", ProgramProcess.AddressOf(listening, transport));
        await using ProgramProcess two = second;
        string secondId = other.GetProperty("peerId").GetString()!;
        await first.WaitForAsync("peerConnected", json => json.GetProperty("peer").GetString() == secondId);

        second.Signal(ProgramProcess.SigKill);
        await first.WaitForAsync("peerDisconnected", json => json.GetProperty("peer").GetString() == secondId, NoticedWithin);
    }

    [Fact]
    public async Task ABlockedAddressIsNotTakenConnectionsFrom()
    {
        (ProgramProcess first, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp, "--block", "192.0.2.1", "--block", "127.0.0.0/8");
        await using ProgramProcess one = first;
        Finished refused = await ProgramProcess.RunAsync("head", "--peer", ProgramProcess.AddressOf(listening, "/tcp/"));
        Assert.Equal(3, refused.ExitCode);
        Finished wrong = await ProgramProcess.RunAsync("run", "--ephemeral-key", "--any-signer", "--no-discovery", "--block", "10.0.0.0/8", "--block", "nobody");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("--block[1]: 'nobody'", wrong.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AStdoutNobodyReadsDoesNotStopTheNode()
    {
        (ProgramProcess other, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp);
        await using ProgramProcess one = other;
        await using ProgramProcess deaf = ProgramProcess.Start(
            ["run", "--ephemeral-key", "--no-discovery", "--any-signer", "--json", "--listen", Tcp, "--static-peer", ProgramProcess.AddressOf(listening, "/tcp/")],
            readOutput: false);
        deaf.CloseOutput();
        await other.WaitForAsync("peerConnected");

        // The peer's going is an event at the deaf node: a write into a pipe nobody holds any more.
        other.Signal(ProgramProcess.SigTerm);
        await other.FinishAsync();
        await Task.Delay(500);
        Assert.False(deaf.HasExited, deaf.Errors);
        deaf.Signal(ProgramProcess.SigTerm);
        Assert.Equal(0, (await deaf.FinishAsync()).ExitCode);
    }

    [Fact]
    public async Task WithoutJsonPeopleReadItAndLogsStayOnStderr()
    {
        await using ProgramProcess node = ProgramProcess.Start(
            ["run", "--ephemeral-key", "--no-discovery", "--any-signer", "--listen", Tcp, "--log-level", "debug"]);
        Assert.StartsWith("preconf-node 16Uiu2", await node.WaitForTextAsync("preconf-node"), StringComparison.Ordinal);
        Assert.Contains("/ip4/127.0.0.1/tcp/", await node.WaitForTextAsync("listens on"), StringComparison.Ordinal);
        node.Signal(ProgramProcess.SigTerm);
        Finished finished = await node.FinishAsync();
        Assert.Equal(0, finished.ExitCode);
        Assert.Contains("dbug:", finished.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("dbug:", finished.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APortThatIsTakenIsSaid()
    {
        (ProgramProcess node, JsonElement listening) = await ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp);
        await using ProgramProcess one = node;
        string taken = ProgramProcess.AddressOf(listening, "/tcp/").Split("/p2p/")[0];
        Finished second = await ProgramProcess.RunAsync("run", "--ephemeral-key", "--any-signer", "--no-discovery", "--listen", taken);
        Assert.Equal(7, second.ExitCode);
        Assert.Contains("error[start]", second.Errors, StringComparison.Ordinal);
        Assert.Contains(taken, second.Errors, StringComparison.Ordinal);
    }
}
