namespace Preconf.Native.Network;

/// <summary>How a publish ended.</summary>
public enum PublishOutcome
{
    /// <summary>Handed to at least one peer.</summary>
    Sent,

    /// <summary>No peer was subscribed until the deadline; served all the same where <see cref="PublishResult.Stored"/> says so.</summary>
    NoPeers,

    /// <summary>The same payload went through this node before; nothing was sent again.</summary>
    Duplicate,

    /// <summary>Every peer's queue, or the outbox, stayed full until the deadline; served all the same where <see cref="PublishResult.Stored"/> says so.</summary>
    QueueFull,

    /// <summary>The node stopped first.</summary>
    Stopped,

    /// <summary>Signing or encoding failed inside the gossip layer; the log says why.</summary>
    Failed,
}

/// <summary>What came of a publish: how it ended, how many peers it was handed to, and whether it is held here.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Peers">Peers whose queue took it; 0 unless <see cref="PublishOutcome.Sent"/>.</param>
public readonly record struct PublishResult(PublishOutcome Outcome, int Peers)
{
    /// <summary>
    /// Whether the store took it, or held it before, so that it is served to who asks. False when the store is at its bounds: a block below the lowest of a
    /// full store, a txlist above <see cref="Storage.StoreOptions.MaxUnreferencedBytes"/> that no held commitment names. What is stored is kept as long
    /// as anyone's: a txlist first published without its commitment gives way when unreferenced ones need room, so publish both together.
    /// </summary>
    public bool Stored { get; init; }

    /// <summary>Whether at least one peer took it.</summary>
    public bool IsSent => Outcome == PublishOutcome.Sent;
}
