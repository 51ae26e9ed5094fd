using System.Security.Cryptography;
using System.Text;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>gossip_config.json: message ids, and the settings that the host hands to the native node.</summary>
public class GossipConfigTests
{
    private const string File = "gossip_config.json";
    private const string Native = "set inside the native node, whose own tests hold it to this file";

    [Fact]
    public void Sections_AreThoseTested() => Vectors.AssertSections(
        File,
        "effective",
        "identify",
        "kona_default",
        "libp2p_default",
        "message_authenticity",
        "message_id_fn",
        "network_config_default",
        "peer_score",
        "peer_score_note",
        "protocol_ids",
        "request_response");

    [Fact]
    public void MessageIds_AreTheReferences()
    {
        VectorNode function = Vectors.Data(File)["message_id_fn"];
        Assert.StartsWith("kona_gossip::config::compute_message_id: ", function["description"].Text, StringComparison.Ordinal);
        Vectors.CheckAll(function["vectors"], test =>
        {
            _ = test["name"].Text;
            string topic = test["topic"].Text;
            byte[] data = test.BytesOrRule("data");
            byte[] expected = test["message_id"].Bytes;
            Assert.Equal(expected, MessageId(MessageIdMode.Kona, topic, data));
            Assert.Equal(expected, MessageId(MessageIdMode.Kona, topic + "x", data));
            byte[] plain = SHA256.HashData([0, 0, 0, 0, .. data])[..20];
            Assert.Equal(!test["valid_raw_snappy"].Flag, plain.AsSpan().SequenceEqual(expected));
            Assert.NotEqual(MessageId(MessageIdMode.TopicBound, topic, data), MessageId(MessageIdMode.TopicBound, topic + "x", data));
        });
        Vectors.AssertAllRead(function);
    }

    [Fact]
    public void GossipDefaults_AreTheEffectiveOnes()
    {
        VectorNode effective = Vectors.Data(File)["effective"];
        GossipOptions gossip = new P2pConfig().Gossip;
        MeshSizes mesh = MeshSizes.Of(new P2pConfig());
        Dictionary<string, double> ours = new()
        {
            ["mesh_n"] = mesh.N,
            ["mesh_n_low"] = mesh.Low,
            ["mesh_n_high"] = mesh.High,
            ["mesh_outbound_min"] = mesh.OutboundMin,
            ["gossip_lazy"] = gossip.GossipLazy,
            ["heartbeat_interval_ms"] = gossip.Heartbeat.TotalMilliseconds,
            ["max_transmit_size"] = PreconfLimits.MaxGossipBytes,
        };
        Assert.All(ours, setting => Assert.Equal(effective[setting.Key].Real, setting.Value));
        VectorNode topic = effective["for_commitments_topic"];
        Assert.All(topic.Names, name => Assert.Equal(topic[name].Real, ours[name]));
    }

    [Fact]
    public void RequestDefaults_AreTheReferences()
    {
        VectorNode requests = Vectors.Data(File)["request_response"];
        P2pConfig config = new();
        Assert.Equal(requests["max_concurrent_streams"].Number, (ulong)config.MaxConcurrentStreams);
        Assert.Equal(requests["request_timeout_ms"].Real, config.RequestTimeout.TotalMilliseconds);
        Assert.Equal(config.RequestTimeout, PreconfLimits.RequestTimeout);
        Vectors.AssertAllRead(requests);
    }

    [Fact]
    public void ScoredTopics_AreTheTwoOfTheNetwork()
    {
        VectorNode parameters = Vectors.Data(File)["peer_score"]["params"];
        ulong chain = new P2pConfig().ChainId;
        string[] expected = [PreconfTopics.Name(chain, GossipTopic.Commitments), PreconfTopics.Name(chain, GossipTopic.TxLists)];
        Assert.Equal(expected.Order(StringComparer.Ordinal), parameters["topics"].Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void NetworkDefaults_AreTheReferences()
    {
        string text = Vectors.Data(File)["network_config_default"].Text;
        P2pConfig config = new();
        ConnectionOptions connections = config.Connections;
        string[] ours =
        [
            $"chain_id: {config.ChainId}",
            $"listen_addr: {IpPort(config.Listen[0])}",
            $"discv5_listen: {config.DiscoveryListen}",
            config.Bootnodes.Count == 0 ? "bootnodes: []" : "bootnodes",
            config.ListenAddressTimeout is null ? "listen_addr_timeout: None" : "listen_addr_timeout",
            $"enable_quic: {Lower(config.EnableQuic)}",
            $"enable_tcp: {Lower(config.EnableTcp)}",
            $"gossipsub_heartbeat: {config.Gossip.Heartbeat.TotalMilliseconds}ms",
            $"request_timeout: {config.RequestTimeout.TotalSeconds}s",
            $"enable_discovery: {Lower(config.EnableDiscovery)}",
            $"reputation_greylist: {config.Reputation.GreylistThreshold:F1}",
            $"reputation_ban: {config.Reputation.BanThreshold:F1}",
            $"reputation_halflife: {config.Reputation.HalfLife.TotalSeconds}s",
            $"request_window: {config.RateLimit.Window.TotalSeconds}s",
            $"max_requests_per_window: {config.RateLimit.MaxRequests}",
            $"max_reqresp_concurrent_streams: {config.MaxConcurrentStreams}",
            $"max_pending_incoming: Some({connections.MaxPendingIncoming})",
            $"max_pending_outgoing: Some({connections.MaxPendingOutgoing})",
            $"max_established_incoming: Some({connections.MaxEstablishedIncoming})",
            $"max_established_outgoing: Some({connections.MaxEstablishedOutgoing})",
            $"max_established_total: Some({connections.MaxEstablishedTotal})",
            $"max_established_per_peer: Some({connections.MaxEstablishedPerPeer})",
            $"dial_concurrency_factor: {connections.DialConcurrency}",
            config.Gater.BlockedSubnets.Count == 0 ? "gater_blocked_subnets: []" : "gater_blocked_subnets",
            config.Gater.PeerRedialing is null ? "gater_peer_redialing: None" : "gater_peer_redialing",
            $"gater_dial_period: {config.Gater.DialPeriod.TotalSeconds}s",
        ];
        Assert.Equal($"NetworkConfig {{ {string.Join(", ", ours)} }}", text);
    }

    [Fact]
    public void Rest_IsTheNativeNodes()
    {
        VectorNode data = Vectors.Data(File);
        string[] names = ["effective", "identify", "kona_default", "libp2p_default", "message_authenticity", "peer_score", "peer_score_note", "protocol_ids"];
        foreach (string name in names)
        {
            data[name].Skip(Native);
        }

        string[] tested = ["message_id_fn", "network_config_default", "request_response"];
        Assert.Equal(tested.Concat(names).Order(StringComparer.Ordinal), data.Names.Order(StringComparer.Ordinal));
    }

    private static string Lower(bool flag) => flag ? "true" : "false";

    private static string IpPort(string multiaddr)
    {
        string[] parts = multiaddr.Split('/');
        Assert.Equal(("ip4", "tcp"), (parts[1], parts[3]));
        return $"{parts[2]}:{parts[4]}";
    }

    private static unsafe byte[] MessageId(MessageIdMode mode, string topic, byte[] data)
    {
        byte[] id = new byte[20];
        byte[] name = Encoding.UTF8.GetBytes(topic);
        fixed (byte* text = name, payload = data, made = id)
        {
            PcnBytes named = new() { ptr = text, len = (nuint)name.Length };
            Assert.Equal(PcnStatus.Ok, NativeMethods.pcn_message_id((byte)mode, named, payload, (nuint)data.Length, made));
        }

        return id;
    }
}
