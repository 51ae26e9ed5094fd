using System.Buffers.Text;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Node.ProgramTests;

public sealed class AdminTests
{
    private const string Tcp = "/ip4/127.0.0.1/tcp/0";
    private const string Stranger = "16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx";

    // EIP-778's example.
    private const string Example =
        "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";

    [Fact]
    public async Task APeerIsConnectedShownBannedAndUnbannedThroughTheRunningNode()
    {
        using TestFolder folder = new();
        (ProgramProcess node, JsonElement listening) = await StartAsync(folder, "one");
        await using ProgramProcess one = node;
        (ProgramProcess other, JsonElement theirs) = await StartAsync(folder, "two");
        await using ProgramProcess two = other;
        string data = folder["one"], address = ProgramProcess.AddressOf(theirs, "/tcp/"), peer = theirs.GetProperty("peerId").GetString()!;

        Assert.Empty((await SucceedsAsync("peers", "--data-dir", data, "--json")).Output);
        Assert.Equal(peer, (await SucceedsAsync("connect", address, "--data-dir", data, "--json")).Json.GetProperty("peer").GetString());
        await other.WaitForAsync("peerConnected", json => json.GetProperty("peer").GetString() == listening.GetProperty("peerId").GetString());

        JsonElement shown = (await SucceedsAsync("peers", "--data-dir", data, "--json")).Json;
        Assert.Equal((peer, true, "tcp"), (shown.GetProperty("peer").GetString(), shown.GetProperty("outbound").GetBoolean(), shown.GetProperty("transport").GetString()));
        Assert.Equal(address.Split("/p2p/")[0], shown.GetProperty("address").GetString());
        JsonElement back = (await SucceedsAsync("peers", "--data-dir", folder["two"], "--json")).Json;
        Assert.False(back.GetProperty("outbound").GetBoolean());
        string[] table = (await SucceedsAsync("peers", "--data-dir", data)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, table.Length);
        Assert.StartsWith("PEER ", table[0], StringComparison.Ordinal);
        Assert.StartsWith(peer, table[1], StringComparison.Ordinal);

        Assert.Equal($"banned {peer}\n", (await SucceedsAsync("ban", address, "--data-dir", data, "--for", "2h", "--reason", "spam")).Output);
        JsonElement ban = (await SucceedsAsync("bans", "--data-dir", data, "--json")).Json;
        Assert.Equal((peer, "bannedByHost", "spam"), (ban.GetProperty("peer").GetString(), ban.GetProperty("reason").GetString(), ban.GetProperty("detail").GetString()));
        Assert.InRange(ban.GetProperty("until").GetDateTime() - DateTime.UtcNow, TimeSpan.FromMinutes(110), TimeSpan.FromHours(2));
        Assert.Contains(peer, (await SucceedsAsync("bans", "--data-dir", data)).Output, StringComparison.Ordinal);
        string why = (await SucceedsAsync("explain", peer, "--data-dir", data)).Output;
        Assert.StartsWith($"{peer}: banned, score", why, StringComparison.Ordinal);
        Assert.Contains("bannedByHost", why, StringComparison.Ordinal);
        await node.WaitForAsync("peerDisconnected", json => json.GetProperty("peer").GetString() == peer);
        await FailsAsync(3, "error[gate_blocked]", "connect", address, "--data-dir", data);
        Assert.Equal($"no longer banned {peer}\n", (await SucceedsAsync("unban", peer, "--data-dir", data)).Output);
        await FailsAsync(4, "error[not_found]", "unban", peer, "--data-dir", data);
        Assert.Empty((await SucceedsAsync("bans", "--data-dir", data, "--json")).Output);
        await SucceedsAsync("connect", address, "--data-dir", data);
    }

    [Fact]
    public async Task TargetsAreBlockedAndPeersProtectedThroughTheRunningNode()
    {
        using TestFolder folder = new();
        (ProgramProcess other, JsonElement theirs) = await StartAsync(folder, "two");
        await using ProgramProcess two = other;
        string data = folder["one"], address = ProgramProcess.AddressOf(theirs, "/tcp/"), peer = theirs.GetProperty("peerId").GetString()!;
        string[] run = ["run", "--any-signer", "--json", "--no-discovery", "--listen", Tcp, "--data-dir", data, "--block", "192.0.2.0/24", "--trusted-peer", peer];
        await using (ProgramProcess node = ProgramProcess.Start(run))
        {
            string self = (await node.WaitForAsync("listening")).GetProperty("peerId").GetString()!;
            await SucceedsAsync("connect", address, "--data-dir", data);
            JsonElement shown = (await SucceedsAsync("peers", "--data-dir", data, "--json")).Json;
            Assert.InRange(shown.GetProperty("score").GetDouble(), 0, 1);
            Assert.Equal((true, false, false), (shown.GetProperty("trusted").GetBoolean(), shown.GetProperty("greylisted").GetBoolean(), shown.GetProperty("banned").GetBoolean()));
            string[] table = (await SucceedsAsync("peers", "--data-dir", data)).Output.Split('\n');
            Assert.Matches(" SCORE +STANDING ", table[0]);
            Assert.Matches(@" 0(\.\d+)? +trusted ", table[1]);

            foreach (string target in new[] { peer, "127.0.0.1", "127.0.0.0/8" })
            {
                Assert.Equal($"blocked {target}\n", (await SucceedsAsync("block", target, "--data-dir", data)).Output);
                await node.WaitForAsync("peerDisconnected", json => json.GetProperty("peer").GetString() == peer);
                await FailsAsync(3, "error[gate_blocked]", "connect", address, "--data-dir", data);
                Assert.Contains($"block  {target}\n", (await SucceedsAsync("blocks", "--data-dir", data)).Output, StringComparison.Ordinal);
                Assert.Equal(target, (await SucceedsAsync("unblock", target, "--data-dir", data, "--json")).Json.GetProperty("target").GetString());
                await FailsAsync(4, "error[not_found]", "unblock", target, "--data-dir", data);
                await SucceedsAsync("connect", address, "--data-dir", data);
            }

            await SucceedsAsync("block", "2001:db8:0:0::1/32", "--data-dir", data);
            Assert.Equal($"protected {peer}\n", (await SucceedsAsync("protect", peer, "--data-dir", data)).Output);
            await FailsAsync(4, "error[not_found]", "unprotect", Stranger, "--data-dir", data);
            await FailsAsync(5, "error[bad_request]", "block", self, "--data-dir", data);
            await FailsAsync(2, "'x' is neither a peer id", "block", "x", "--data-dir", data);
            node.Signal(ProgramProcess.SigKill);
            await node.FinishAsync();
        }

        await using ProgramProcess again = ProgramProcess.Start(run);
        await again.WaitForAsync("listening");
        string[] rules = (await SucceedsAsync("blocks", "--data-dir", data, "--json")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["192.0.2.0/24", "2001:db8::/32"], rules.Select(Parse).Where(rule => rule.GetProperty("rule").GetString() == "block").Select(rule => rule.GetProperty("target").GetString()!));
        Assert.Equal([peer], rules.Select(Parse).Where(rule => rule.GetProperty("rule").GetString() == "protect").Select(rule => rule.GetProperty("peer").GetString()!));
        Assert.Equal($"no longer protected {peer}\n", (await SucceedsAsync("unprotect", peer, "--data-dir", data)).Output);
    }

    [Fact]
    public async Task AStaticPeersProtectionIsLiftedOnce()
    {
        using TestFolder folder = new();
        await using ProgramProcess node = ProgramProcess.Start(
            ["run", "--any-signer", "--json", "--no-discovery", "--listen", Tcp, "--data-dir", folder["one"], "--static-peer", $"/ip4/127.0.0.1/tcp/1/p2p/{Stranger}"]);
        await node.WaitForAsync("listening");
        Assert.Equal($"no longer protected {Stranger}\n", (await SucceedsAsync("unprotect", Stranger, "--data-dir", folder["one"])).Output);
        await FailsAsync(4, "error[not_found]", "unprotect", Stranger, "--data-dir", folder["one"]);
        await SucceedsAsync("protect", Stranger, "--data-dir", folder["one"]);
        await SucceedsAsync("unprotect", Stranger, "--data-dir", folder["one"]);
    }

    [Fact]
    public async Task ABanOfTheFileIsShownWithItsAddressesAndAFileThatIsNoneFailsTheStart()
    {
        using TestFolder folder = new();
        Directory.CreateDirectory(folder["one"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string bans = folder.Write("one/bans.txt", $"preconf-native bans 1\n{Stranger} never 198.51.100.7/32 Banned Garbage\n");
        string data = Path.GetDirectoryName(bans)!;
        await using (ProgramProcess node = ProgramProcess.Start(["run", "--any-signer", "--json", "--no-discovery", "--listen", Tcp, "--data-dir", data]))
        {
            await node.WaitForAsync("listening");
            Assert.Equal("198.51.100.7/32", (await SucceedsAsync("bans", "--data-dir", data, "--json")).Json.GetProperty("network").GetString());
            Assert.Matches($"{Stranger} +for ever +banned +198.51.100.7/32 +Garbage", (await SucceedsAsync("bans", "--data-dir", data)).Output);
            node.Signal(ProgramProcess.SigTerm);
            Assert.Equal(0, (await node.FinishAsync()).ExitCode);
        }

        await File.WriteAllTextAsync(bans, "preconf-native bans 2\n");
        await FailsAsync(7, $"error[data_dir]: the bans {bans}", "run", "--any-signer", "--no-discovery", "--listen", Tcp, "--data-dir", data);
        Assert.Equal("preconf-native bans 2\n", await File.ReadAllTextAsync(bans));
    }

    private static JsonElement Parse(string line) => JsonDocument.Parse(line).RootElement;

    [Fact]
    public async Task OnlyTheOwnerMayUseTheSocketAndItGoesWithTheNode()
    {
        using TestFolder folder = new();
        (ProgramProcess node, _) = await StartAsync(folder, "one");
        await using ProgramProcess one = node;
        string socket = Path.Combine(folder["one"], "admin.sock");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket));

        // The same folder twice: the socket stays with the first.
        (ProgramProcess twin, _) = await StartAsync(folder, "one");
        await using ProgramProcess two = twin;
        twin.Signal(ProgramProcess.SigTerm);
        Finished ended = await twin.FinishAsync();
        Assert.Contains("another node runs with this data directory", ended.Errors, StringComparison.Ordinal);
        await SucceedsAsync("peers", "--data-dir", folder["one"]);

        node.Signal(ProgramProcess.SigKill);
        await node.FinishAsync();
        await FailsAsync(3, "error[not_running]", "peers", "--data-dir", folder["one"]);
        Assert.True(File.Exists(socket));

        // What the killed one left is no obstacle.
        (ProgramProcess next, _) = await StartAsync(folder, "one");
        await using ProgramProcess three = next;
        await SucceedsAsync("peers", "--data-dir", folder["one"]);
        next.Signal(ProgramProcess.SigTerm);
        Assert.Equal(0, (await next.FinishAsync()).ExitCode);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task GarbageIsAnsweredAndSeveralClientsAreServed()
    {
        using TestFolder folder = new();
        (ProgramProcess node, JsonElement listening) = await StartAsync(folder, "one");
        await using ProgramProcess one = node;
        string path = Path.Combine(folder["one"], "admin.sock");
        using (Socket idle = Connect(path))
        using (Socket client = Connect(path))
        {
            string local = listening.GetProperty("peerId").GetString()!;
            (string Line, string Error)[] cases =
            [
                ("", "bad_request"), ("peers", "bad_request"), ("[1]", "bad_request"), ("{}", "bad_request"), ("{\"verb\":7}", "bad_request"),
                ("{\"verb\":\"dance\"}", "bad_request"), ("{\"verb\":\"ban\"}", "bad_request"), ("{\"verb\":\"ban\",\"peer\":\"x\"}", "bad_request"),
                ($"{{\"verb\":\"ban\",\"peer\":\"{Stranger}\",\"seconds\":-1}}", "bad_request"), ($"{{\"verb\":\"ban\",\"peer\":\"{Stranger}\",\"seconds\":1e99}}", "bad_request"),
                ($"{{\"verb\":\"unban\",\"peer\":\"{Stranger}\"}}", "not_found"), ("{\"verb\":\"explain\"}", "bad_request"),
                ($"{{\"verb\":\"ban\",\"peer\":\"{local}\"}}", "bad_request"), ("{\"verb\":\"connect\",\"address\":\"nowhere\"}", "bad_request"),
                ("{\"verb\":\"connect\",\"address\":\"/ip4/127.0.0.1\"}", "dial_failed"),
                ($"{{\"verb\":\"connect\",\"address\":\"/ip4/127.0.0.1/tcp/1/p2p/{Stranger}\"}}", "dial_failed"), ("\0\u0001\u00ff", "bad_request"),
                (new string('[', 10_000), "bad_request"),
            ];
            string verbs = Ask(client, "{\"verb\":\"dance\"}").GetProperty("text").GetString()!;
            Assert.All(["peers", "status", "connect", "ban", "enr"], verb => Assert.Contains($" {verb}", verbs, StringComparison.Ordinal));
            foreach ((string line, string error) in cases)
            {
                JsonElement answer = Ask(client, line);
                Assert.False(answer.GetProperty("ok").GetBoolean(), line);
                Assert.Equal(error, answer.GetProperty("error").GetString());
                Assert.NotEmpty(answer.GetProperty("text").GetString()!);
            }

            // Several lines in one write, a client that says nothing beside it.
            client.Send("{\"verb\":\"peers\"}\n{\"verb\":\"peers\"}\n"u8);
            Assert.True(Read(client).GetProperty("ok").GetBoolean());
            Assert.True(Read(client).GetProperty("ok").GetBoolean());
            Assert.True(Ask(idle, "{\"verb\":\"peers\"}").GetProperty("ok").GetBoolean());
        }

        using (Socket flood = Connect(path))
        {
            byte[] much = Encoding.ASCII.GetBytes(new string('a', 16 << 10) + "a");
            flood.Send(much);
            Assert.Equal("too_long", Read(flood).GetProperty("error").GetString());
            Assert.Equal(0, flood.Receive(new byte[1]));
        }

        Socket[] crowd = [.. Enumerable.Range(0, 16).Select(_ => Connect(path))];
        Assert.All(crowd, socket => Assert.True(Ask(socket, "{\"verb\":\"peers\"}").GetProperty("ok").GetBoolean()));
        using (Socket late = Connect(path))
        {
            Assert.Equal("busy", Read(late).GetProperty("error").GetString());
        }

        Array.ForEach(crowd, socket => socket.Dispose());
        await SucceedsAsync("peers", "--data-dir", folder["one"]);
        Assert.False(node.HasExited, node.Errors);
    }

    [Fact]
    public async Task ARecordIsExplainedKeyByKeyAndUnknownOnesAreHex()
    {
        JsonElement example = (await SucceedsAsync("enr", Example, "--json")).Json;
        Assert.Equal(1, example.GetProperty("sequence").GetInt32());
        JsonElement[] pairs = [.. example.GetProperty("pairs").EnumerateArray()];
        Assert.Equal(["id", "ip", "secp256k1", "udp"], pairs.Select(pair => pair.GetProperty("key").GetString()!));
        Assert.Equal(("127.0.0.1", "30303"), (pairs[1].GetProperty("value").GetString(), pairs[3].GetProperty("value").GetString()));
        Assert.Equal("0x765f", pairs[3].GetProperty("hex").GetString());
        Assert.Contains("UDP port of discovery", (await SucceedsAsync("enr", Example)).Output, StringComparison.Ordinal);

        // The OP stack's key, and one that nobody knows: two letters no terminal shows among them.
        string[] lines = (await SucceedsAsync("enr", Strange())).Output.Split('\n');
        Assert.Matches("^opstack +chain 167000, version 0 ", lines.Single(line => line.StartsWith("opstack", StringComparison.Ordinal)));
        Assert.Matches(@"^z\\x1b\\x00 +0xff00 +unknown here$", lines.Single(line => line.StartsWith('z')));
        await FailsAsync(2, "error[enr]", "enr", Example[..^4] + "AAAA");
        await FailsAsync(2, "error[enr]", "enr", "no record");
    }

    [Theory]
    [InlineData(Tcp)]
    [InlineData("/ip4/127.0.0.1/udp/0/quic-v1")]
    public async Task TheRunningNodesRecordLeadsToIt(string listen)
    {
        using TestFolder folder = new();
        await using ProgramProcess node = ProgramProcess.Start(
            ["run", "--any-signer", "--json", "--listen", listen, "--data-dir", folder["one"], "--discovery-listen", "127.0.0.1:0", "--local-network"]);
        JsonElement listening = await node.WaitForAsync("listening");
        JsonElement own = (await SucceedsAsync("enr", "--data-dir", folder["one"], "--json")).Json;
        Assert.Equal(listening.GetProperty("peerId").GetString(), own.GetProperty("peerId").GetString());
        Assert.Contains(own.GetProperty("pairs").EnumerateArray(), pair => pair.GetProperty("key").GetString() == "preconf" && pair.GetProperty("value").GetString() == "chain 167000, version 1");
        (ProgramProcess other, _) = await StartAsync(folder, "two");
        await using ProgramProcess two = other;
        await FailsAsync(4, "error[not_found]", "enr", "--data-dir", folder["two"]);
        Finished connected = await SucceedsAsync("connect", own.GetProperty("enr").GetString()!, "--data-dir", folder["two"]);
        Assert.Equal($"connected to {own.GetProperty("peerId").GetString()}\n", connected.Output);
    }

    [Fact]
    public async Task WrongArgumentsAndANodeThatIsNotThereAreTold()
    {
        using TestFolder folder = new();
        await FailsAsync(3, "error[not_running]", "peers", "--data-dir", folder["none"]);
        await FailsAsync(2, "PEER_ID: 'x' is not", "ban", "x", "--data-dir", folder["none"]);
        await FailsAsync(2, "MULTIADDR: 'x' is not", "connect", "x", "--data-dir", folder["none"]);
        await FailsAsync(2, "no IP address with a TCP or QUIC port", "connect", Example, "--data-dir", folder["none"]);
        await FailsAsync(2, "--timeout: 'soon'", "peers", "--timeout", "soon", "--data-dir", folder["none"]);
        await FailsAsync(2, "--timeout: '1200h' is not", "peers", "--timeout", "1200h", "--data-dir", folder["none"]);
        await FailsAsync(2, "--timeout: '-0:00:01' is not", "peers", "--timeout=-0:00:01", "--data-dir", folder["none"]);
        await FailsAsync(2, "--for: '0' is not", "ban", Stranger, "--for", "0", "--data-dir", folder["none"]);
    }

    private static string Strange()
    {
        byte[] secret = new byte[Secp256k1.SecretSize];
        Secp256k1.NewSecret(secret);
        byte[] publicKey = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.CompressedPublicKey(secret, publicKey);
        List<byte> content = [1];
        foreach (byte[] item in new[] { "id"u8.ToArray(), "v4"u8.ToArray(), "opstack"u8.ToArray(), [0xd8, 0x98, 0x0a, 0], "secp256k1"u8.ToArray(), publicKey, "z\u001b\0"u8.ToArray(), [0xff, 0] })
        {
            content.AddRange([(byte)(0x80 + item.Length), .. item]);
        }

        Bytes32 hash = Keccak256.Hash([0xf8, (byte)content.Count, .. content]);
        List<byte> record = [0xb8, 64, .. Secp256k1.Sign(in hash, secret).AsSpan()[..64], .. content];
        return "enr:" + Base64Url.EncodeToString([0xf8, (byte)record.Count, .. record]);
    }

    private static Task<(ProgramProcess Process, JsonElement Listening)> StartAsync(TestFolder folder, string data) =>
        ProgramProcess.StartNodeAsync("--any-signer", "--listen", Tcp, "--data-dir", folder[data]);

    private static Socket Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)ProgramProcess.Patience.TotalMilliseconds };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static JsonElement Ask(Socket socket, string line)
    {
        socket.Send(Encoding.Latin1.GetBytes(line + "\n"));
        return Read(socket);
    }

    private static JsonElement Read(Socket socket)
    {
        List<byte> line = [];
        byte[] one = new byte[1];
        while (socket.Receive(one) == 1 && one[0] != '\n')
        {
            line.Add(one[0]);
        }

        return JsonDocument.Parse(line.ToArray()).RootElement;
    }

    private static async Task<Finished> SucceedsAsync(params string[] arguments)
    {
        Finished finished = await ProgramProcess.RunAsync(arguments);
        Assert.True(finished.ExitCode == 0, $"{string.Join(' ', arguments)} ended with {finished.ExitCode}: {finished.Errors}");
        return finished;
    }

    private static async Task FailsAsync(int exitCode, string error, params string[] arguments)
    {
        Finished finished = await ProgramProcess.RunAsync(arguments);
        Assert.True(finished.ExitCode == exitCode, $"{string.Join(' ', arguments)} ended with {finished.ExitCode}: {finished.Errors}");
        Assert.Contains(error, finished.Errors, StringComparison.Ordinal);
    }
}
