using Microsoft.Extensions.Logging;
using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Node.Commands;

/// <summary>A node that listens nowhere and keeps nothing on disk, connected to one peer: what a command asks through.</summary>
internal sealed class LightPeer : IAsyncDisposable
{
    private readonly P2pNode _node;

    private LightPeer(P2pNode node, PeerId peer)
    {
        _node = node;
        Peer = peer;
    }

    /// <summary>The node.</summary>
    public P2pHandle Handle => _node.Handle;

    /// <summary>Whom it is connected to.</summary>
    public PeerId Peer { get; }

    /// <summary>Starts and dials.</summary>
    /// <param name="config">The network; where to listen, whom to dial and where keys are does not count.</param>
    /// <param name="address">The peer.</param>
    /// <param name="loggers">Where to log to.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The light peer, connected.</returns>
    /// <exception cref="NetworkException">The peer can't be reached.</exception>
    public static async Task<LightPeer> JoinAsync(P2pConfig config, Multiaddr address, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        config.Listen = [];
        config.StaticPeers = [];
        config.Bootnodes = [];
        config.EphemeralKey = true;
        config.EnableDiscovery = false;
        config.AnySigner |= config.ExpectedSigners.Count == 0;
        P2pNode node = NodeStart.Create(config, loggers);
        try
        {
            await NodeStart.StartAsync(node, cancellationToken).ConfigureAwait(false);
            return new LightPeer(node, await node.Handle.DialAsync(address, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await node.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _node.DisposeAsync();
}
