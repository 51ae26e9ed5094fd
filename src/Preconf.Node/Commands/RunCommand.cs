using System.CommandLine;
using Microsoft.Extensions.Logging;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Preconf.Node.Admin;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>run</c>: one node until SIGINT or SIGTERM.</summary>
internal static partial class RunCommand
{
    // What a slow reader of stdout may fall behind before it is told of losses.
    private const int EventCapacity = 65_536;
    private static readonly TimeSpan CatchUpTold = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ListenPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastLines = TimeSpan.FromSeconds(1);

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Command command = new("run", "Run a node until SIGINT or SIGTERM. Every flag can also be given in the environment (PRECONF_CHAIN_ID, lists with ;) or in a JSON file.");
        NodeOptions.AddTo(command, NodeOptions.Run);
        command.SetAction(async (parse, _) => (int)await RunAsync(SettingSources.Read(parse, NodeOptions.Run)).ConfigureAwait(false));
        return command;
    }

    /// <summary>Runs a node with its events on stdout.</summary>
    /// <param name="settings">What to run.</param>
    /// <returns>How the process ends.</returns>
    public static async Task<ExitCode> RunAsync(NodeSettings settings)
    {
        using StopSignals signals = new();
        using ILoggerFactory loggers = Loggers.Create(settings.LogLevel ?? LogLevel.Information);
        ILogger logger = loggers.CreateLogger("Preconf.Node");
        foreach (string unknown in settings.UnknownVariables)
        {
            LogUnknownVariable(logger, unknown);
        }

        await using P2pNode node = NodeStart.Create(settings.Node, loggers);
        using EventReader<NetworkEvent> events = node.Handle.Subscribe(EventCapacity);
        IEventOutput output = settings.Json ? new JsonEventOutput(JsonLines.StandardOutput) : new TextEventOutput(Console.Out, settings.Node.ChainId);
        try
        {
            await NodeStart.StartAsync(node, signals.Token).ConfigureAwait(false);
            await WaitForListenersAsync(node.Handle, settings.Node.Listen, signals.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (signals.Token.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }

        await using AdminSocket? admin = OpenAdmin(settings.Node, node.Handle, logger);
        Task following = settings.CatchUp ? FollowAsync(node.Handle, settings.CatchUpFrom, output, signals.Token) : Task.CompletedTask;
        Task telling = Task.Run(() => TellAsync(node.Handle, events, output), CancellationToken.None);
        Task running = node.RunAsync(signals.Token);
        if (await Task.WhenAny(running, telling).ConfigureAwait(false) == telling)
        {
            await telling.ConfigureAwait(false);
        }

        await running.ConfigureAwait(false);
        await following.ConfigureAwait(false);

        // A stdout that nobody reads must not keep the process.
        await Task.WhenAny(telling, Task.Delay(LastLines)).ConfigureAwait(false);
        return ExitCode.Ok;
    }

    private static Task FollowAsync(P2pHandle handle, UInt256? from, IEventOutput output, CancellationToken stop) => Task.Run(
        () => CatchUp.FollowAsync(handle, new CatchUpOptions { From = from, ProgressInterval = CatchUpTold }, new CatchUpTelling(output), stop), CancellationToken.None);

    // A node whose key dies with it has nothing in the default data directory, which others of the kind share.
    private static AdminSocket? OpenAdmin(P2pConfig config, P2pHandle handle, ILogger logger)
    {
        if (config.DataDirectory.Length == 0 || (config.EphemeralKey && config.DataDirectory == new P2pConfig().DataDirectory))
        {
            return null;
        }

        try
        {
            return AdminSocket.Open(config.DataDirectory, new AdminVerbs(handle).AnswerAsync, logger);
        }
        catch (IOException error)
        {
            LogNoAdmin(logger, error.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "no admin socket, so `preconf-node peers` and the like can't reach this node: {Error}")]
    private static partial void LogNoAdmin(ILogger logger, string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Variable} is not a setting; it has no effect")]
    private static partial void LogUnknownVariable(ILogger logger, string variable);

    private static async Task TellAsync(P2pHandle handle, EventReader<NetworkEvent> events, IEventOutput output)
    {
        output.Listening(handle.LocalPeerId, handle.DialableAddresses, handle.Enr);
        while (await events.WaitToReadAsync().ConfigureAwait(false))
        {
            while (events.TryRead(out NetworkEvent networkEvent))
            {
                output.Event(in networkEvent);
            }
        }
    }

    // An address of all interfaces becomes several, told one by one; the first line waits until each listener has one.
    private static async Task WaitForListenersAsync(P2pHandle handle, IList<string> wanted, CancellationToken cancellationToken)
    {
        long deadline = Environment.TickCount64 + (long)ListenPatience.TotalMilliseconds;
        MultiaddrTransport[] transports = [.. wanted.Select(text => Multiaddr.Parse(text).Transport)];
        while (transports.GroupBy(transport => transport).Any(group => handle.ListeningAddresses.Count(address => address.Transport == group.Key) < group.Count())
            && Environment.TickCount64 < deadline)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Tells at once, so that what is told stays in order; of a start only when there is something to fetch.</summary>
    private sealed class CatchUpTelling(IEventOutput output) : IProgress<CatchUpProgress>
    {
        public void Report(CatchUpProgress value)
        {
            if (value.Stage != CatchUpStage.Started || value.MissingBlocks != 0)
            {
                output.CatchUp(in value);
            }
        }
    }
}
