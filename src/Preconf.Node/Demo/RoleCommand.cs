using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Preconf.Node.Commands;
using Preconf.Node.Output;

namespace Preconf.Node.Demo;

/// <summary>
/// <c>demo-role NAME</c>, which <c>demo</c> starts as processes of their own: takes orders on stdin, tells on stdout what <c>run --json</c>
/// tells and what is its own, and ends when stdin does.
/// </summary>
internal static class RoleCommand
{
    /// <summary>The command's name.</summary>
    public const string Name = "demo-role";

    /// <summary>Publishes.</summary>
    public const string Preconfer = "preconfer";

    /// <summary>Follows from the start on.</summary>
    public const string Follower = "follower";

    /// <summary>Comes late and catches up.</summary>
    public const string Late = "late";

    /// <summary>Sends what is wrong.</summary>
    public const string Hostile = "hostile";

    /// <summary>An order: begin.</summary>
    public const string Go = "go";

    private const int EventCapacity = 65_536;
    private static readonly TimeSpan Slot = TimeSpan.FromSeconds(2);

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Argument<string> role = new("role");
        Command command = new(Name, "A node of the demonstration.") { role };
        command.Hidden = true;
        command.SetAction(async (parse, _) => (int)await RunAsync(parse.GetValue(role)!).ConfigureAwait(false));
        return command;
    }

    private static async Task<ExitCode> RunAsync(string role)
    {
        using StopSignals signals = new();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
        using ILoggerFactory loggers = Loggers.Create(LogLevel.Warning);
        RoleInput input = new(stop);
        try
        {
            RoleOrder order = JsonSerializer.Deserialize<RoleOrder>(await input.NextAsync(stop.Token).ConfigureAwait(false))!;
            await (role == Hostile ? HostileRole.RunAsync(order, input, loggers, stop.Token) : HonestAsync(role, order, input, loggers, stop.Token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of stdin, or a signal: that is how a role ends.
        }

        return ExitCode.Ok;
    }

    private static async Task HonestAsync(string role, RoleOrder order, RoleInput input, ILoggerFactory loggers, CancellationToken stop)
    {
        await using P2pNode node = NodeStart.Create(order.ToConfig(), loggers);
        using EventReader<NetworkEvent> events = node.Handle.Subscribe(EventCapacity);
        await NodeStart.StartAsync(node, stop).ConfigureAwait(false);
        while (node.Handle.ListeningAddresses.Count < order.Listen.Length)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), stop).ConfigureAwait(false);
        }

        JsonEventOutput output = new(JsonLines.StandardOutput);
        output.Listening(node.LocalPeerId, node.Handle.DialableAddresses, node.Handle.Enr);
        Task telling = TellAsync(events, output);
        if (role == Preconfer)
        {
            await input.NextAsync(stop).ConfigureAwait(false);
            await PublishAsync(node.Handle, order, stop).ConfigureAwait(false);
        }
        else if (role == Late)
        {
            await CatchUpAsync(node.Handle, stop).ConfigureAwait(false);
        }

        await node.RunAsync(stop).ConfigureAwait(false);
        await telling.ConfigureAwait(false);
    }

    private static async Task TellAsync(EventReader<NetworkEvent> events, JsonEventOutput output)
    {
        await foreach (NetworkEvent networkEvent in events.ReadAllAsync().ConfigureAwait(false))
        {
            output.Event(in networkEvent);
        }
    }

    private static async Task PublishAsync(P2pHandle handle, RoleOrder order, CancellationToken stop)
    {
        using PreconfSigner signer = new(Convert.FromHexString(order.Secret!));
        IReadOnlyList<DemoBlock> blocks = DemoChain.Load();
        IReadOnlyList<SignedCommitment> chain = DemoChain.Sign(signer, PreconfSigning.DefaultDomain, Address.Parse(order.Slasher, null), blocks);
        using PeriodicTimer slots = new(Slot);
        for (int i = 0; i < blocks.Count; i++)
        {
            DemoBlock block = blocks[i];
            JsonLines.StandardOutput.Write(json =>
            {
                json.WriteString("event", "slot");
                JsonEventOutput.WriteTime(json);
                json.WriteNumber("block", block.Number);
            });
            await handle.PublishTxListAsync(block.TxList, stop).ConfigureAwait(false);
            await handle.PublishCommitmentAsync(chain[i], stop).ConfigureAwait(false);
            await slots.WaitForNextTickAsync(stop).ConfigureAwait(false);
        }
    }

    private static async Task CatchUpAsync(P2pHandle handle, CancellationToken stop)
    {
        await handle.WaitForPeerAsync(Timeout.InfiniteTimeSpan, stop).ConfigureAwait(false);
        CatchUpResult done = await CatchUp.RunAsync(handle, cancellationToken: stop).ConfigureAwait(false);
        JsonLines.StandardOutput.Write(json =>
        {
            json.WriteString("event", "caughtUp");
            JsonEventOutput.WriteTime(json);
            json.WriteNumber("commitments", done.Commitments);
            json.WriteNumber("txLists", done.TxLists);
            JsonEventOutput.WriteNumber(json, "head", done.Head);
        });
    }
}
