using System.Text;
using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Node.Output;

namespace Preconf.Node.ProgramTests;

public sealed class OutputTests
{
    private static readonly PeerId Peer = PeerId.Parse("16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx");

    // Told by the first lines, which name the node and its addresses.
    private static readonly NetworkEventKind[] Untold = [NetworkEventKind.Started, NetworkEventKind.NewListenAddress];

    public static TheoryData<NetworkEventKind> Kinds => [.. Enum.GetValues<NetworkEventKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EachKindHasItsOwnWordsForPeople(NetworkEventKind kind)
    {
        string line = Text(Of(kind));
        if (Untold.Contains(kind))
        {
            Assert.Empty(line);
            return;
        }

        string[] words = line.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.True(words.Length >= (kind == NetworkEventKind.Stopped ? 2 : 3), line);
        Assert.Equal(kind == NetworkEventKind.Error, words[1] == "error");
        if (kind is NetworkEventKind.PeerPenalised or NetworkEventKind.PeerGreylisted or NetworkEventKind.PeerBanned or NetworkEventKind.PeerUnbanned)
        {
            Assert.Contains(kind.ToString()[4..8].ToLowerInvariant(), words[1], StringComparison.Ordinal);
            Assert.Contains("spam", line, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EachKindIsAnObjectOfItsOwnName(NetworkEventKind kind)
    {
        using MemoryStream stream = new();
        new JsonEventOutput(new JsonLines(stream)).Event(Of(kind));
        using JsonDocument line = JsonDocument.Parse(stream.ToArray());
        string name = kind.ToString();
        Assert.Equal(char.ToLowerInvariant(name[0]) + name[1..], line.RootElement.GetProperty("event").GetString());
        Assert.Equal(Peer.ToString(), line.RootElement.GetProperty("peer").GetString());
        if (kind == NetworkEventKind.PeerGreylisted)
        {
            Assert.True(line.RootElement.GetProperty("greylisted").GetBoolean());
        }
    }

    [Fact]
    public void WhatThisOutputWasTooSlowForIsSaid()
    {
        NetworkEvent lost = NetworkEvent.Lost(7);
        Assert.Contains("7 events: this output is too slow", Text(lost), StringComparison.Ordinal);
        using MemoryStream stream = new();
        new JsonEventOutput(new JsonLines(stream)).Event(in lost);
        using JsonDocument line = JsonDocument.Parse(stream.ToArray());
        Assert.Equal(("eventsDropped", 7, "slowOutput", "channel_backpressure"), (
            line.RootElement.GetProperty("event").GetString(),
            line.RootElement.GetProperty("count").GetInt32(),
            line.RootElement.GetProperty("reason").GetString(),
            line.RootElement.GetProperty("error").GetString()));
    }

    private static NetworkEvent Of(NetworkEventKind kind)
    {
        bool failed = kind is NetworkEventKind.Error or NetworkEventKind.Faulted or NetworkEventKind.GossipRejected;
        return new NetworkEvent(kind, Peer, failed ? new NetworkError(NetworkErrorKind.Other, "broken") : "spam") { Flag = true };
    }

    private static string Text(in NetworkEvent told)
    {
        StringBuilder text = new();
        using StringWriter writer = new(text);
        new TextEventOutput(writer, 1).Event(in told);
        return text.ToString().TrimEnd();
    }
}
