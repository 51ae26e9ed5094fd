namespace Preconf.Native.Protocol;

/// <summary>The two gossip topics of the network.</summary>
public enum GossipTopic
{
    /// <summary><c>/taiko/{chainId}/0/preconfirmationCommitments</c>: raw SSZ of a signed commitment.</summary>
    Commitments = 0,

    /// <summary><c>/taiko/{chainId}/0/rawTxLists</c>: raw SSZ of a txlist and its hash.</summary>
    TxLists = 1,
}

/// <summary>The three request protocols of the network.</summary>
public enum RequestProtocol
{
    /// <summary><c>/taiko/{chainId}/preconf/1/get_head</c>.</summary>
    Head = 0,

    /// <summary><c>/taiko/{chainId}/preconf/1/get_commitments_by_number</c>.</summary>
    Commitments = 1,

    /// <summary><c>/taiko/{chainId}/preconf/1/get_raw_txlist</c>.</summary>
    TxList = 2,
}

/// <summary>The names of topics and protocols (protocol, section 1; vectors/topics.json). A topic's hash is the topic itself.</summary>
public static class PreconfTopics
{
    /// <summary>A gossip topic's name.</summary>
    /// <param name="chainId">L2 chain id.</param>
    /// <param name="topic">Which topic.</param>
    /// <returns>The name, as on the wire.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Not a topic.</exception>
    public static string Name(ulong chainId, GossipTopic topic) => topic switch
    {
        GossipTopic.Commitments => $"/taiko/{chainId}/0/preconfirmationCommitments",
        GossipTopic.TxLists => $"/taiko/{chainId}/0/rawTxLists",
        _ => throw new ArgumentOutOfRangeException(nameof(topic), topic, "not a topic of this network"),
    };

    /// <summary>A request protocol's name.</summary>
    /// <param name="chainId">L2 chain id.</param>
    /// <param name="protocol">Which protocol.</param>
    /// <returns>The name, as multistream-select negotiates it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Not a protocol.</exception>
    public static string Name(ulong chainId, RequestProtocol protocol) => protocol switch
    {
        RequestProtocol.Head => $"/taiko/{chainId}/preconf/1/get_head",
        RequestProtocol.Commitments => $"/taiko/{chainId}/preconf/1/get_commitments_by_number",
        RequestProtocol.TxList => $"/taiko/{chainId}/preconf/1/get_raw_txlist",
        _ => throw new ArgumentOutOfRangeException(nameof(protocol), protocol, "not a protocol of this network"),
    };

    /// <summary>The topics of the whitelisted network, which a node of this one never publishes to.</summary>
    /// <param name="chainId">L2 chain id.</param>
    /// <returns>Four names.</returns>
    public static IReadOnlyList<string> NeverPublished(ulong chainId) =>
    [
        $"/taiko/{chainId}/0/preconfBlocks",
        $"/taiko/{chainId}/0/responsePreconfBlocks",
        $"/taiko/{chainId}/0/requestPreconfBlocks",
        $"/taiko/{chainId}/0/requestEndOfSequencingPreconfBlocks",
    ];
}

/// <summary>What a frame's payload may weigh (protocol, section 1), after its length prefix, in bytes.</summary>
public static class FrameLimits
{
    /// <summary>The cap on a request.</summary>
    /// <param name="protocol">Which protocol.</param>
    /// <returns>Bytes.</returns>
    public static int Request(RequestProtocol protocol) => protocol switch
    {
        RequestProtocol.Head => 128,
        RequestProtocol.Commitments => 512,
        _ => 256,
    };

    /// <summary>The cap on a response.</summary>
    /// <param name="protocol">Which protocol.</param>
    /// <returns>Bytes.</returns>
    public static int Response(RequestProtocol protocol) => protocol switch
    {
        RequestProtocol.Head => 64 * 1024,
        RequestProtocol.Commitments => 256 * 4096,
        _ => (2 * 1024 * 1024) + 4096,
    };
}
