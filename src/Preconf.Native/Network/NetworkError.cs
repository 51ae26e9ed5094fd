using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>What kind of failure a <see cref="NetworkException"/> or an error event tells of. The reference's sixteen.</summary>
public enum NetworkErrorKind
{
    /// <summary>A gossip payload is not the SSZ of its topic: in <see cref="NetworkEventKind.GossipRejected"/>.</summary>
    GossipDecode,

    /// <summary>A validator refused a gossip payload (in <see cref="NetworkEventKind.GossipRejected"/>) or one's own publish, or it threw.</summary>
    GossipValidation,

    /// <summary>A gossip payload broke the protocol's size: in <see cref="NetworkEventKind.GossipRejected"/>.</summary>
    GossipInvalid,

    /// <summary>A request's arguments or a response's content are not valid.</summary>
    ReqRespValidation,

    /// <summary>A request or response frame is malformed (varint, cap, SSZ).</summary>
    ReqRespCodec,

    /// <summary>A rate limit, this node's or the peer's, refused the request.</summary>
    ReqRespRateLimited,

    /// <summary>The request could not be sent: no peer to ask, or too many in flight.</summary>
    ReqRespBackpressure,

    /// <summary>The peer refused, closed or broke the stream.</summary>
    ReqRespFailure,

    /// <summary>No answer, or nothing waited for, within its time.</summary>
    ReqRespTimeout,

    /// <summary>A dial came to nothing.</summary>
    DialFailed,

    /// <summary>The peer disconnected first.</summary>
    Disconnect,

    /// <summary>The peer or its address is blocked here.</summary>
    GateBlocked,

    /// <summary>A message could not be published.</summary>
    PublishFailure,

    /// <summary>The node takes no commands: it has not started, is stopping, or has stopped.</summary>
    SendCommandFailed,

    /// <summary>Events were dropped because a reader or a queue was too slow: in <see cref="NetworkEventKind.EventsDropped"/>.</summary>
    ChannelBackpressure,

    /// <summary>Anything else, faults of the native part included.</summary>
    Other,
}

/// <summary>Names of <see cref="NetworkErrorKind"/> as logs, metrics and scripts know them.</summary>
public static class NetworkErrorKindExtensions
{
    private static readonly string[] Codes =
    [
        "gossip_decode", "gossip_validation", "gossip_invalid", "reqresp_validation", "reqresp_codec", "reqresp_rate_limited",
        "reqresp_backpressure", "reqresp_failure", "reqresp_timeout", "dial_failed", "disconnect", "gate_blocked", "publish_failure",
        "send_command_failed", "channel_backpressure", "other",
    ];

    /// <summary>The kind's stable code, e.g. <c>reqresp_timeout</c>: the reference's label of it.</summary>
    /// <param name="kind">The kind.</param>
    /// <returns>Lower-case words joined by underscores; <c>other</c> for values outside the enumeration.</returns>
    public static string ToCode(this NetworkErrorKind kind) =>
        (uint)kind < (uint)Codes.Length ? Codes[(int)kind] : Codes[(int)NetworkErrorKind.Other];
}

/// <summary>Gossip's refusals as errors, made once: a flood of bad gossip costs no allocation.</summary>
internal static class GossipErrors
{
    private static readonly NetworkError[] ByReason = [.. Enum.GetValues<ValidationReason>().Select(Of)];

    /// <summary>The queue in front of validation has no room left for a peer's gossip.</summary>
    public static readonly NetworkError QueueFull = new(NetworkErrorKind.ChannelBackpressure, "gossip came faster than it is validated and was dropped");

    /// <summary>The error of a rejection.</summary>
    public static NetworkError For(ValidationReason reason) => (uint)reason < (uint)ByReason.Length ? ByReason[(int)reason] : Of(reason);

    private static NetworkError Of(ValidationReason reason) => reason switch
    {
        ValidationReason.Undecodable => new NetworkError(NetworkErrorKind.GossipDecode, "the payload is not the SSZ of its topic"),
        ValidationReason.TxListTooLarge => new NetworkError(NetworkErrorKind.GossipInvalid, "the txlist is over 2 MiB"),
        _ => new NetworkError(NetworkErrorKind.GossipValidation, $"not valid: {reason}"),
    };
}

/// <summary>An error as events carry it: its kind and a text for people.</summary>
/// <param name="Kind">What kind of failure.</param>
/// <param name="Detail">What happened, where, and what to do about it.</param>
public sealed record NetworkError(NetworkErrorKind Kind, string Detail)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind.ToCode()}: {Detail}";
}

/// <summary>An operation of the network failed. <see cref="Kind"/> is for programs, the message for people.</summary>
public sealed class NetworkException : Exception
{
    /// <summary>Makes an exception of kind <see cref="NetworkErrorKind.Other"/>.</summary>
    public NetworkException()
        : this(NetworkErrorKind.Other, "the network operation failed")
    {
    }

    /// <summary>Makes an exception of kind <see cref="NetworkErrorKind.Other"/>.</summary>
    /// <param name="message">What happened.</param>
    public NetworkException(string message)
        : this(NetworkErrorKind.Other, message)
    {
    }

    /// <summary>Makes an exception of kind <see cref="NetworkErrorKind.Other"/>.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">Its cause.</param>
    public NetworkException(string message, Exception innerException)
        : this(NetworkErrorKind.Other, message, innerException)
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="kind">What kind of failure.</param>
    /// <param name="message">What happened, where, and what to do.</param>
    /// <param name="innerException">Its cause, if any.</param>
    public NetworkException(NetworkErrorKind kind, string message, Exception? innerException = null)
        : base(message, innerException) => Kind = kind;

    /// <summary>What kind of failure.</summary>
    public NetworkErrorKind Kind { get; }

    /// <summary>The same as an event carries it.</summary>
    /// <returns>Kind and message.</returns>
    public NetworkError ToError() => new(Kind, Message);
}
