using System.Globalization;
using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Node.Demo;

/// <summary>Starts the nodes, gives them their orders, follows what they tell, and has the end checked.</summary>
internal sealed class Demonstration : IDisposable
{
    private const string Tcp = "/ip4/127.0.0.1/tcp/0";
    private const string Quic = "/ip4/127.0.0.1/udp/0/quic-v1";
    private const int LateFromBlock = 5;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(200);

    // What is sent after which block, and what the node that gets it must say.
    private static readonly (int AfterBlock, string Name, string Reason)[] Attacks =
    [
        (1, HostileRole.WrongSigner, "wrongSigner"),
        (2, HostileRole.BadHash, "txListHashMismatch"),
        (3, HostileRole.GarbageCommitment, "undecodable"),
        (4, HostileRole.GarbageTxList, "undecodable"),
        (6, HostileRole.OversizedTxList, "txListTooLarge"),
    ];

    private readonly List<DemoNode> _nodes = [];
    private readonly IReadOnlyList<DemoBlock> _blocks = DemoChain.Load();
    private readonly byte[] _secret = new byte[Secp256k1.SecretSize];
    private readonly Address _slasher = new(Keccak256.Hash("slasher"u8).AsSpan()[..Address.Size]);
    private readonly Dictionary<ulong, DateTimeOffset> _slots = [];
    private readonly HashSet<string> _hostilePeers = [];
    private readonly HashSet<string> _hostileTxLists = [];
    private readonly DemoBoard _board;
    private DateTime _drawn;
    private bool _lateIsLive;

    /// <summary>Prepares; nothing runs yet.</summary>
    public Demonstration()
    {
        Secp256k1.NewSecret(_secret);
        _board = new DemoBoard(_nodes, _blocks.Count);
    }

    /// <summary>Guards what the nodes have told.</summary>
    public Lock Gate { get; } = new();

    /// <summary>What is being waited for.</summary>
    public string Waiting { get; private set; } = "it started";

    /// <summary>Runs from start to checked end.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommandException">Something is not as it must be.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Address signer = Secp256k1.AddressOfSecret(_secret);
        Console.Out.WriteLine($"{_blocks.Count} real blocks, one per 2 s slot, by the preconfer {signer}; every node is a process, on loopback.");
        Console.Out.WriteLine();
        DemoNode preconfer = Start("preconfer", RoleCommand.Preconfer);
        DemoNode tcp = Start("follower, TCP", RoleCommand.Follower);
        DemoNode quic = Start("follower, QUIC", RoleCommand.Follower);
        DemoNode hostile = Start("hostile peer", RoleCommand.Hostile);
        await ConnectAsync(preconfer, tcp, quic, hostile, cancellationToken).ConfigureAwait(false);
        preconfer.Order(RoleCommand.Go);
        DemoNode late = await FollowAsync(tcp, quic, hostile, preconfer, cancellationToken).ConfigureAwait(false);

        DemoNode[] honest = [preconfer, tcp, quic, late];
        await UntilAsync(() => late.State is not ("starting" or DemoTelling.CatchingUp), "the late joiner is live", cancellationToken).ConfigureAwait(false);
        await UntilAsync(() => honest.All(HasAll), "every honest node has told of every block", cancellationToken).ConfigureAwait(false);
        _board.Say($"every honest node says it has all {_blocks.Count} blocks; now asking each for all of them, as a light peer");
        await CheckAsync(honest, tcp, cancellationToken).ConfigureAwait(false);
        await StopAsync().ConfigureAwait(false);
        _board.Say("every node stopped in order");
    }

    /// <summary>Kills what still runs.</summary>
    public void Dispose()
    {
        foreach (DemoNode node in _nodes)
        {
            node.Dispose();
        }
    }

    private async Task ConnectAsync(DemoNode preconfer, DemoNode tcp, DemoNode quic, DemoNode hostile, CancellationToken cancellationToken)
    {
        preconfer.Order(Order([Tcp, Quic]) with { Secret = Convert.ToHexStringLower(_secret) });
        await UntilAsync(() => preconfer.IsReady, "the preconfer listens", cancellationToken).ConfigureAwait(false);
        tcp.Order(Order([Tcp, Quic], AddressOf(preconfer, MultiaddrTransport.Tcp)));
        await UntilAsync(() => tcp.IsReady, "the follower over TCP listens", cancellationToken).ConfigureAwait(false);

        // The followers know each other too: whatever the one forwards, the other hears.
        quic.Order(Order([Quic], AddressOf(preconfer, MultiaddrTransport.Quic), AddressOf(tcp, MultiaddrTransport.Quic)));
        hostile.Order(Order([], AddressOf(tcp, MultiaddrTransport.Tcp)));
        await UntilAsync(
            () => hostile.IsReady && quic.IsReady && HasSubscribers(preconfer, tcp, quic) && HasSubscribers(tcp, preconfer, quic) && HasSubscribers(quic, preconfer, tcp),
            "everyone is connected and subscribed",
            cancellationToken).ConfigureAwait(false);
        _board.Say("connected: preconfer ─TCP─ follower ─QUIC─ follower ─QUIC─ preconfer; the hostile peer knows the follower over TCP only");
    }

    private async Task<DemoNode> FollowAsync(DemoNode tcp, DemoNode quic, DemoNode hostile, DemoNode preconfer, CancellationToken cancellationToken)
    {
        DemoNode? late = null;
        int refused = 0;
        for (int slot = 1; slot <= _blocks.Count; slot++)
        {
            DemoBlock block = _blocks[slot - 1];
            DemoNode[] live = [preconfer, tcp, quic];
            await UntilAsync(() => live.All(node => Has(node, block)), $"block {block.Number} is at both followers", cancellationToken).ConfigureAwait(false);
            lock (Gate)
            {
                _board.Say(string.Create(
                    CultureInfo.InvariantCulture,
                    $"slot {slot}  block {block.Number}  {block.Transactions,2} transactions, {block.TxList.Length,5} bytes  TCP {tcp.Commitments[block.Number]:0.0} ms  QUIC {quic.Commitments[block.Number]:0.0} ms"));
            }

            foreach ((_, string name, string reason) in Attacks.Where(attack => attack.AfterBlock == slot))
            {
                hostile.Order(string.Create(CultureInfo.InvariantCulture, $"{name} {Math.Min(slot, _blocks.Count - 1)}"));
                int wanted = ++refused;
                await UntilAsync(() => tcp.Refused.Count >= wanted, $"the follower over TCP refuses {name}", cancellationToken).ConfigureAwait(false);
                _board.Say($"the hostile peer sent {name}: refused, {reason}");
            }

            SayWhenLive(late);
            if (slot == LateFromBlock)
            {
                late = Start("late joiner", RoleCommand.Late);
                late.Order(Order([Tcp], AddressOf(quic, MultiaddrTransport.Quic), AddressOf(preconfer, MultiaddrTransport.Tcp)));
                _board.Say("a late joiner starts: asks for the head, pages commitments, fetches txlists");
            }
        }

        return late!;
    }

    private void SayWhenLive(DemoNode? late)
    {
        lock (Gate)
        {
            if (!_lateIsLive && late is not null && late.State.StartsWith("live", StringComparison.Ordinal))
            {
                _lateIsLive = true;
                _board.Say($"the late joiner is {late.State}");
            }
        }
    }

    private async Task CheckAsync(DemoNode[] honest, DemoNode attacked, CancellationToken cancellationToken)
    {
        using PreconfSigner signer = new(_secret);
        IReadOnlyList<SignedCommitment> chain = DemoChain.Sign(signer, PreconfSigning.DefaultDomain, _slasher, _blocks);
        DemoCheck check = new(_blocks, chain, Order([]), [.. _hostileTxLists.Select(hash => Bytes32.Parse(hash))]);
        foreach (DemoNode node in honest)
        {
            await check.CompareAsync(node, cancellationToken).ConfigureAwait(false);
            _board.Say($"{node.Name}: {chain.Count} commitments and {_blocks.Count} txlists, byte for byte; nothing else");
        }

        lock (Gate)
        {
            DemoCheck.Refusals(honest, attacked, _hostilePeers, [.. Attacks.Select(attack => attack.Reason)]);
            _board.Say($"the hostile peer sent {Attacks.Length} messages: all refused by the one node it knew, none forwarded");
            if (Console.IsOutputRedirected)
            {
                Console.Out.WriteLine();
                Console.Out.Write(_board);
                Console.Out.WriteLine();
            }
        }
    }

    private async Task StopAsync()
    {
        string?[] faults = await Task.WhenAll(_nodes.Select(node => node.StopAsync())).ConfigureAwait(false);
        if (faults.FirstOrDefault(fault => fault is not null) is { } fault)
        {
            throw new CommandException(ExitCode.Unexpected, "demo", fault);
        }

        lock (Gate)
        {
            _nodes.ForEach(node => node.State = "stopped");
        }
    }

    private DemoNode Start(string name, string role)
    {
        DemoNode node = new(name, role, Gate, OnLine);
        lock (Gate)
        {
            _nodes.Add(node);
        }

        return node;
    }

    private RoleOrder Order(string[] listen, params string[] peers) => new()
    {
        Listen = listen,
        Peers = peers,
        Signer = Secp256k1.AddressOfSecret(_secret).ToString(),
        Slasher = _slasher.ToString(),
    };

    private static string AddressOf(DemoNode node, MultiaddrTransport transport) => node.Addresses.First(address => address.Transport == transport).ToString();

    private static bool HasSubscribers(DemoNode node, params DemoNode[] others) =>
        others.All(other => node.Subscriptions.Contains((other.PeerId, "commitments")) && node.Subscriptions.Contains((other.PeerId, "txLists")));

    private static bool Has(DemoNode node, DemoBlock block) => node.Commitments.ContainsKey(block.Number) && node.TxLists.Contains(block.TxListHash.ToString());

    private bool HasAll(DemoNode node) => _blocks.All(block => Has(node, block));

    private async Task UntilAsync(Func<bool> condition, string what, CancellationToken cancellationToken)
    {
        Waiting = what;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (Gate)
            {
                if (_nodes.Select(node => node.Failure).FirstOrDefault(failure => failure is not null) is { } failure)
                {
                    throw new CommandException(ExitCode.Unexpected, "demo", failure);
                }

                if (condition())
                {
                    return;
                }

                if (DateTime.UtcNow - _drawn > Redraw)
                {
                    _board.Draw();
                    _drawn = DateTime.UtcNow;
                }
            }

            await Task.Delay(Look, cancellationToken).ConfigureAwait(false);
        }
    }

    private void OnLine(DemoNode node, JsonElement line)
    {
        switch (line.GetProperty("event").GetString())
        {
            case "slot":
                _slots[line.GetProperty("block").GetUInt64()] = line.GetProperty("time").GetDateTimeOffset();
                break;
            case "attack":
                _hostilePeers.Add(line.GetProperty("as").GetString()!);
                if (line.TryGetProperty("txListHash", out JsonElement hash))
                {
                    _hostileTxLists.Add(hash.GetString()!);
                }

                node.State = $"sent {line.GetProperty("name").GetString()}";
                break;
            default:
                DemoTelling.Take(node, line, _slots);
                break;
        }
    }
}
