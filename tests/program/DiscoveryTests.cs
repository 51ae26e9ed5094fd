using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Preconf.Native.Protocol;

namespace Preconf.Node.ProgramTests;

/// <summary>Nodes that know one record and find each other.</summary>
public sealed class DiscoveryTests
{
    private static readonly TimeSpan FoundWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(10);

    /// <summary>The loopback addresses of this machine: where to listen, and where discovery does.</summary>
    public static TheoryData<string, string> Loopbacks
    {
        get
        {
            TheoryData<string, string> loopbacks = new() { { "/ip4/127.0.0.1", "127.0.0.1:0" } };
            if (HasIPv6Loopback())
            {
                loopbacks.Add("/ip6/::1", "[::1]:0");
            }

            return loopbacks;
        }
    }

    [Theory]
    [MemberData(nameof(Loopbacks))]
    public async Task ThreeNodesThatKnowOnlyTheFirstFindEachOther(string address, string discovery)
    {
        using TestFolder folder = new();
        List<Node> nodes = [];
        try
        {
            nodes.Add(await StartAsync(address, discovery, folder["0"]));
            for (int i = 1; i < 4; i++)
            {
                nodes.Add(await StartAsync(address, discovery, folder[$"{i}"], "--bootnode", nodes[0].Record.ToString()));
            }

            long started = Stopwatch.GetTimestamp();
            foreach (Node node in nodes)
            {
                await node.KnowsAllAsync(nodes, FoundWithin - Stopwatch.GetElapsedTime(started));
            }

            Node last = nodes[3];
            nodes.RemoveAt(3);
            last.Process.Signal(ProgramProcess.SigTerm);
            Assert.Equal(0, (await last.Process.FinishAsync()).ExitCode);
            await last.Process.DisposeAsync();
            Node again = await StartAsync(address, discovery, folder["3"], "--bootnode", nodes[0].Record.ToString());
            nodes.Add(again);
            Assert.Equal(last.Id, again.Id);
            Assert.True(again.Record.Sequence > last.Record.Sequence, $"{again.Record.Sequence} after {last.Record.Sequence}");
            await again.KnowsAllAsync(nodes, BackWithin);
        }
        finally
        {
            foreach (Node node in nodes)
            {
                await node.Process.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task ABootnodeThatCanNotBeIsNamed()
    {
        Finished finished = await ProgramProcess.RunAsync("run", "--ephemeral-key", "--any-signer", "--bootnode", "enode://00@127.0.0.1:1", "--discovery-port", "0");
        Assert.NotEqual(0, finished.ExitCode);
        Assert.Contains("enode://00@127.0.0.1:1", finished.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADiscoveryPortThatIsTakenIsSaid()
    {
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        string socket = taken.LocalEndPoint!.ToString()!;
        Finished finished = await ProgramProcess.RunAsync("run", "--ephemeral-key", "--any-signer", "--listen", "/ip4/127.0.0.1/tcp/0", "--discovery-listen", socket);
        Assert.Equal(7, finished.ExitCode);
        Assert.Contains("error[start]", finished.Errors, StringComparison.Ordinal);
        Assert.Contains(socket, finished.Errors, StringComparison.Ordinal);
    }

    private static async Task<Node> StartAsync(string address, string discovery, string folder, params string[] more)
    {
        ProgramProcess process = ProgramProcess.Start(
            ["run", "--any-signer", "--json", "--data-dir", folder, "--listen", address + "/tcp/0", "--discovery-listen", discovery, "--local-network", .. more]);
        JsonElement listening = await process.WaitForAsync("listening");
        return new Node(process, listening.GetProperty("peerId").GetString()!, Enr.Parse(listening.GetProperty("enr").GetString()!));
    }

    private static bool HasIPv6Loopback()
    {
        try
        {
            using Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private sealed record Node(ProgramProcess Process, string Id, Enr Record)
    {
        /// <summary>Waits until the node has told of a connection with each of the others.</summary>
        public async Task KnowsAllAsync(IEnumerable<Node> nodes, TimeSpan patience)
        {
            HashSet<string> missing = [.. nodes.Select(node => node.Id).Where(id => id != Id)];
            long started = Stopwatch.GetTimestamp();
            while (missing.Count != 0)
            {
                TimeSpan left = patience - Stopwatch.GetElapsedTime(started);
                JsonElement connected = await Process.WaitForAsync("peerConnected", patience: left > TimeSpan.Zero ? left : TimeSpan.FromMilliseconds(1));
                missing.Remove(connected.GetProperty("peer").GetString()!);
            }
        }
    }
}
