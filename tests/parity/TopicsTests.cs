using Preconf.Native.Protocol;

namespace Preconf.Native.ParityTests;

/// <summary>topics.json: the names on the wire.</summary>
public class TopicsTests
{
    private const string File = "topics.json";

    [Fact]
    public void Sections_AreThoseTested() => Vectors.AssertSections(File, "cases", "note");

    [Fact]
    public void TopicHash_IsTheTopic() =>
        Assert.Equal("IdentTopic: the topic hash is the topic string itself", Vectors.Data(File)["note"].Text);

    [Fact]
    public void Names_AreTheReferences() => Vectors.CheckAll(Vectors.Data(File)["cases"], test =>
    {
        ulong chain = test["chain_id"].Number;
        Assert.Equal(test["topic_commitments"].Text, PreconfTopics.Name(chain, GossipTopic.Commitments));
        Assert.Equal(test["topic_hash_commitments"].Text, PreconfTopics.Name(chain, GossipTopic.Commitments));
        Assert.Equal(test["topic_raw_txlists"].Text, PreconfTopics.Name(chain, GossipTopic.TxLists));
        Assert.Equal(test["protocol_get_head"].Text, PreconfTopics.Name(chain, RequestProtocol.Head));
        Assert.Equal(test["protocol_get_commitments_by_number"].Text, PreconfTopics.Name(chain, RequestProtocol.Commitments));
        Assert.Equal(test["protocol_get_raw_txlist"].Text, PreconfTopics.Name(chain, RequestProtocol.TxList));
    });
}
