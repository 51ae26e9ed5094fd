using Microsoft.Extensions.Logging;
using Preconf.Native.Network;

namespace Preconf.Node.Commands;

/// <summary>Making and starting nodes, with failures as exit codes.</summary>
internal static class NodeStart
{
    /// <summary>Makes a node.</summary>
    /// <param name="config">What it is told.</param>
    /// <param name="loggers">Where it logs to.</param>
    /// <returns>The node, not started.</returns>
    /// <exception cref="P2pConfigException">The configuration has faults.</exception>
    /// <exception cref="CommandException">A file of the data directory can't be read, made or understood.</exception>
    public static P2pNode Create(P2pConfig config, ILoggerFactory loggers)
    {
        try
        {
            return P2pNode.Create(config, new P2pNodeServices { LoggerFactory = loggers });
        }
        catch (NetworkException error)
        {
            throw new CommandException(ExitCode.CannotStart, "data_dir", error.Message, error);
        }
    }

    /// <summary>Starts a node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CommandException">It could not start.</exception>
    public static async Task StartAsync(P2pNode node, CancellationToken cancellationToken)
    {
        try
        {
            await node.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NetworkException error)
        {
            throw new CommandException(ExitCode.CannotStart, "start", error.Message, error);
        }
    }
}
