using System.Diagnostics;
using System.Globalization;
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

    // PRECONF_TEST_DOWN makes it longer than there is time for in every run; the longest pause between two tries is a minute.
    private static readonly TimeSpan DownFor = TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("PRECONF_TEST_DOWN"), CultureInfo.InvariantCulture, out int seconds) ? seconds : 12);
    private static readonly TimeSpan BackAfterLong = TimeSpan.FromSeconds(100);

    [Fact]
    public Task ThreeNodesThatKnowOnlyTheFirstFindEachOther() => FindEachOtherAsync("/ip4/127.0.0.1", "127.0.0.1:0");

    [IPv6Fact]
    public Task ThreeNodesThatKnowOnlyTheFirstFindEachOtherOverIPv6() => FindEachOtherAsync("/ip6/::1", "[::1]:0");

    private static async Task FindEachOtherAsync(string address, string discovery)
    {
        using TestFolder folder = new();
        List<Node> nodes = [];
        try
        {
            nodes.Add(await StartAsync(address, discovery, folder["0"]));
            for (int i = 1; i < 4; i++)
            {
                nodes.Add(await StartAsync(address, discovery, folder[$"{i}"], "0", "--bootnode", nodes[0].Record.ToString()));
            }

            long started = Stopwatch.GetTimestamp();
            foreach (Node node in nodes)
            {
                await node.KnowsAllAsync(nodes, FoundWithin - Stopwatch.GetElapsedTime(started));
            }

            Node last = nodes[3];
            nodes.RemoveAt(3);
            await StopAsync(last);

            // The bootnode goes too: who has been here knows the others.
            await StopAsync(nodes[0]);
            nodes.RemoveAt(0);
            Node again = await StartAsync(address, discovery, folder["3"]);
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
    public async Task ABootnodeAndAStaticPeerThatAreDownForLongAreFoundAgainWithFewWords()
    {
        using TestFolder folder = new();
        (string tcp, string udp) = (FreePort(), FreePort());
        async Task<Node> OthersAsync() => await StartAsync("/ip4/127.0.0.1", $"127.0.0.1:{udp}", folder["others"], tcp);
        Node others = await OthersAsync();
        await StopAsync(others);

        // Neither is there when these two start; one knows the record, the other the address.
        Node finds = await StartAsync("/ip4/127.0.0.1", "127.0.0.1:0", folder["finds"], "0", "--bootnode", others.Record.ToString());
        await using ProgramProcess first = finds.Process;
        Node dials = await StartAsync("/ip4/127.0.0.1", "127.0.0.1:0", folder["dials"], "0", "--static-peer", $"/ip4/127.0.0.1/tcp/{tcp}/p2p/{others.Id}");
        await using ProgramProcess second = dials.Process;
        for (int times = 0; times < 2; times++)
        {
            await Task.Delay(DownFor);
            others = await OthersAsync();
            await finds.KnowsAllAsync([others], BackAfterLong);
            await dials.KnowsAllAsync([others], BackAfterLong);
            others.Process.Signal(ProgramProcess.SigKill);
            await others.Process.FinishAsync();
            await others.Process.DisposeAsync();
        }

        // To be killed is no fault: nothing of it costs anything.
        Finished standing = await ProgramProcess.RunAsync("explain", others.Id, "--data-dir", folder["dials"], "--json");
        Assert.Equal(0, standing.ExitCode);
        Assert.False(standing.Json.GetProperty("greylisted").GetBoolean());
        Assert.DoesNotContain(standing.Json.GetProperty("history").EnumerateArray(), entry => entry.GetProperty("delta").GetDouble() < 0);

        foreach (Node node in new[] { finds, dials })
        {
            Assert.False(node.Process.HasExited);
            string[] lines = node.Process.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.True(lines.Length < 10, node.Process.Errors);
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

    private static async Task StopAsync(Node node)
    {
        node.Process.Signal(ProgramProcess.SigTerm);
        Assert.Equal(0, (await node.Process.FinishAsync()).ExitCode);
        await node.Process.DisposeAsync();
    }

    // Free a moment ago; nothing else on this machine asks for ports by number.
    private static string FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture);
    }

    private static async Task<Node> StartAsync(string address, string discovery, string folder, string port = "0", params string[] more)
    {
        ProgramProcess process = ProgramProcess.Start(
            ["run", "--any-signer", "--json", "--data-dir", folder, "--listen", $"{address}/tcp/{port}", "--discovery-listen", discovery, "--local-network", .. more]);
        try
        {
            JsonElement listening = await process.WaitForAsync("listening");
            return new Node(process, listening.GetProperty("peerId").GetString()!, Enr.Parse(listening.GetProperty("enr").GetString()!));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>A test that needs <c>::1</c>, and is skipped with a word where there is none.</summary>
    private sealed class IPv6FactAttribute : FactAttribute
    {
        public IPv6FactAttribute() => Skip = HasIPv6Loopback() ? null : "this machine has no IPv6 loopback (::1)";
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
