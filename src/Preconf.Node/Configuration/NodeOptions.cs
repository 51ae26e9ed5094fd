using System.CommandLine;

namespace Preconf.Node.Configuration;

/// <summary>
/// The flags that are settings. All take texts, so that whatever is wrong with their values is told at once, together with the faults of
/// the environment and the file.
/// </summary>
internal static class NodeOptions
{
    /// <summary>Where to listen.</summary>
    public static Option Listen { get; } = Several("--listen", "MULTIADDR", "listen here; TCP or QUIC, port 0 takes a free one [default: TCP and UDP 9000 on all addresses]");

    /// <summary>The network.</summary>
    public static Option ChainId { get; } = One("--chain-id", "N", "L2 chain id [default: 167000]");

    /// <summary>Where the key is.</summary>
    public static Option DataDirectory { get; } = One("--data-dir", "DIR", "folder of the node's key, node.key [default: preconf-native in the local application data]");

    /// <summary>No key file.</summary>
    public static Option EphemeralKey { get; } = Flag("--ephemeral-key", "a fresh identity that dies with the node, instead of the key file");

    /// <summary>Whom to stay connected to.</summary>
    public static Option StaticPeer { get; } = Several("--static-peer", "MULTIADDR", "stay connected to this peer (…/p2p/PEER_ID)");

    /// <summary>Whom to trust.</summary>
    public static Option TrustedPeer { get; } = Several("--trusted-peer", "PEER_ID|MULTIADDR", "never limit, greylist or ban this peer");

    /// <summary>Whom to start with.</summary>
    public static Option Bootnode { get; } = Several("--bootnode", "ENR|ENODE|MULTIADDR", "a node to start from");

    /// <summary>The port of discovery.</summary>
    public static Option DiscoveryPort { get; } = One("--discovery-port", "PORT", "UDP port of discovery, 0 takes a free one [default: 9001]");

    /// <summary>The address of discovery.</summary>
    public static Option DiscoveryListen { get; } = One("--discovery-listen", "ADDRESS:PORT", "UDP address of discovery, or one of each family with a comma between [default: 0.0.0.0:9001]");

    /// <summary>Where others reach the node.</summary>
    public static Option ExternalAddress { get; } = Several("--external-address", "MULTIADDR", "how others reach this node: /ip4/ADDRESS, optionally with /tcp/PORT or /udp/PORT");

    /// <summary>No internet.</summary>
    public static Option LocalNetwork { get; } = Flag("--local-network", "the network is this machine or a private one");

    /// <summary>How many peers to look for.</summary>
    public static Option TargetPeers { get; } = One("--target-peers", "N", "look for peers until so many are connected [default: 50]");

    /// <summary>How many peers to keep.</summary>
    public static Option MaxPeers { get; } = One("--max-peers", "N", "above so many, drop the worst; limits on connections follow it [default: 100, or the target where that is higher]");

    /// <summary>No port mapping.</summary>
    public static Option NoUpnp { get; } = Flag("--no-upnp", "do not map ports on the router");

    /// <summary>No dials back.</summary>
    public static Option NoAutoNat { get; } = Flag("--no-autonat", "do not ask peers to dial this node back");

    /// <summary>Relays to be reached through.</summary>
    public static Option Relay { get; } = Several("--relay", "MULTIADDR", "always be reached through this relay (…/p2p/PEER_ID)");

    /// <summary>No relays.</summary>
    public static Option NoRelay { get; } = Flag("--no-relay", "neither dial through relays nor be reached through them");

    /// <summary>Be a relay.</summary>
    public static Option RelayServer { get; } = Flag("--relay-server", "be a relay for peers that can't be reached, while this node is");

    /// <summary>No holes.</summary>
    public static Option NoHolePunching { get; } = Flag("--no-hole-punching", "leave relayed connections as they are");

    /// <summary>Whom to keep away from.</summary>
    public static Option Block { get; } = Several("--block", "PEER|ADDRESS|SUBNET", "neither dial nor take connections of this peer, IP address or subnet");

    /// <summary>No discovery.</summary>
    public static Option NoDiscovery { get; } = Flag("--no-discovery", "do not look for peers");

    /// <summary>No catching up.</summary>
    public static Option NoCatchUp { get; } = Flag("--no-catch-up", "do not fetch what this node lacks from its peers");

    /// <summary>Where history begins.</summary>
    public static Option CatchUpFrom { get; } = One("--catch-up-from", "BLOCK", "the lowest block to fetch [default: all that peers have]");

    /// <summary>What signatures are over.</summary>
    public static Option Domain { get; } = One("--domain", "HEX", "the 32 bytes signing hashes start with [default: ASCII TAIKO_PRECONF_DOMAIN_PLACEHOLDER]");

    /// <summary>The chain's slasher.</summary>
    public static Option Slasher { get; } = One("--slasher", "ADDRESS", "refuse commitments that name another slasher [default: not checked]");

    /// <summary>Who may sign.</summary>
    public static Option ExpectedSigner { get; } = Several("--expected-signer", "ADDRESS", "an elected preconfer; commitments of others are refused");

    /// <summary>Anyone may sign.</summary>
    public static Option AnySigner { get; } = Flag("--any-signer", "take commitments of any signer; for test networks");

    /// <summary>Output for programs.</summary>
    public static Option Json { get; } = Flag("--json", "one JSON object a line on stdout instead of text");

    /// <summary>Verbosity.</summary>
    public static Option LogLevel { get; } = One("--log-level", "LEVEL", "trace, debug, information, warning, error, critical or none; logs go to stderr");

    /// <summary>The settings file.</summary>
    public static Option<string> ConfigFile { get; } = new("--config") { HelpName = "FILE", Description = "JSON file of settings; the environment and flags win over it" };

    /// <summary>The flags of a node that runs.</summary>
    public static IReadOnlyList<Option> Run { get; } =
        [Listen, ChainId, DataDirectory, EphemeralKey, StaticPeer, TrustedPeer, Bootnode, DiscoveryPort, DiscoveryListen, ExternalAddress, LocalNetwork, TargetPeers, MaxPeers, NoUpnp, NoAutoNat, Relay, NoRelay, RelayServer, NoHolePunching, Block, NoDiscovery, NoCatchUp, CatchUpFrom, Domain, Slasher, ExpectedSigner, AnySigner, Json, LogLevel];

    /// <summary>The flags of a light peer that asks or publishes.</summary>
    public static IReadOnlyList<Option> Light { get; } = [ChainId, Domain, Slasher, ExpectedSigner, AnySigner, Json, LogLevel];

    /// <summary>Adds flags and <see cref="ConfigFile"/> to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="flags">The flags.</param>
    public static void AddTo(Command command, IEnumerable<Option> flags)
    {
        foreach (Option flag in flags)
        {
            command.Options.Add(flag);
        }

        command.Options.Add(ConfigFile);
    }

    private static Option<string> One(string name, string value, string description) => new(name) { HelpName = value, Description = description };

    private static Option<string[]> Several(string name, string value, string description) =>
        new(name) { HelpName = value, Description = description + "; repeatable", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };

    private static Option<bool> Flag(string name, string description) => new(name) { Description = description };
}
