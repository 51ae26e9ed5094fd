namespace Preconf.Native.Network;

/// <summary>How a publish ended.</summary>
public enum PublishOutcome
{
    /// <summary>Handed to at least one peer.</summary>
    Sent,

    /// <summary>No peer was subscribed until the deadline; stored and served all the same.</summary>
    NoPeers,

    /// <summary>The same payload went through this node before; nothing was sent again.</summary>
    Duplicate,

    /// <summary>Every peer's queue, or the outbox, stayed full until the deadline; stored and served all the same.</summary>
    QueueFull,

    /// <summary>The node stopped first.</summary>
    Stopped,

    /// <summary>Signing or encoding failed inside the gossip layer; the log says why.</summary>
    Failed,
}

/// <summary>What came of a publish: how it ended and how many peers it was handed to.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Peers">Peers whose queue took it; 0 unless <see cref="PublishOutcome.Sent"/>.</param>
public readonly record struct PublishResult(PublishOutcome Outcome, int Peers)
{
    /// <summary>Whether at least one peer took it.</summary>
    public bool IsSent => Outcome == PublishOutcome.Sent;
}
