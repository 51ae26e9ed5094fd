using System.Globalization;
using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>What to do with a message.</summary>
public enum ValidationVerdict
{
    /// <summary>Valid: forward it, store it.</summary>
    Accept,

    /// <summary>Do nothing with it and penalise nobody.</summary>
    Ignore,

    /// <summary>Invalid, and whoever sent it could have known: penalise.</summary>
    Reject,

    /// <summary>Can't be judged yet: keep it, penalise nobody, judge it when what is missing is there.</summary>
    Pending,
}

/// <summary>Who is to blame for a verdict.</summary>
public enum SenderFault
{
    /// <summary>Nobody, or nobody who can be named.</summary>
    None,

    /// <summary>The peer that sent the message: what is wrong shows in the message itself.</summary>
    Sender,
}

/// <summary>What a pending message waits for.</summary>
public enum PendingKind
{
    /// <summary>The commitment it names as its parent.</summary>
    Parent,

    /// <summary>The schedule that says who may sign for its window.</summary>
    Schedule,
}

/// <summary>Why a message is not simply accepted.</summary>
public enum ValidationReason
{
    /// <summary>No reason: it is valid.</summary>
    None,

    /// <summary>The bytes are no encoding.</summary>
    Undecodable,

    /// <summary>The signature recovers to nobody.</summary>
    BadSignature,

    /// <summary>The signature's s is over half the order: a second encoding of a commitment that has a regular one.</summary>
    HighS,

    /// <summary>The slasher is not the chain's.</summary>
    WrongSlasher,

    /// <summary>The commitment has neither transactions nor the flag that it hands over.</summary>
    MissingTxListHash,

    /// <summary>The signer is not the one who may sign.</summary>
    WrongSigner,

    /// <summary>The submission window does not end where the schedule says.</summary>
    WrongSlotEnd,

    /// <summary>The schedule does not know the window yet.</summary>
    ScheduleUnknown,

    /// <summary>The schedule could not be asked.</summary>
    LookaheadUnavailable,

    /// <summary>The parent named is not known yet.</summary>
    ParentUnknown,

    /// <summary>The parent hash is not that of the parent.</summary>
    ParentMismatch,

    /// <summary>The block number is not the parent's plus one.</summary>
    BlockNumberMismatch,

    /// <summary>A block parameter breaks a rule of the host.</summary>
    ParameterRule,

    /// <summary>The transaction list is over 2 MiB.</summary>
    TxListTooLarge,

    /// <summary>The transaction list does not hash to what it claims.</summary>
    TxListHashMismatch,

    /// <summary>No known commitment refers to the transaction list, and the sender's allowance is used up.</summary>
    TxListUnreferenced,

    /// <summary>An answer carries another transaction list than the one asked for.</summary>
    UnrequestedTxList,

    /// <summary>A request asks for more commitments than an answer may hold.</summary>
    MaxCountExceeded,

    /// <summary>An answer holds more commitments than were asked for, or than it may.</summary>
    TooManyCommitments,

    /// <summary>An answer holds a block before the first one asked for.</summary>
    BlockNumberOutOfRange,

    /// <summary>The blocks of an answer do not strictly ascend.</summary>
    NotAscending,

    /// <summary>It is already held.</summary>
    Duplicate,

    /// <summary>The store is at its bounds and did not take it.</summary>
    StoreRefused,

    /// <summary>It is this node's own message coming back.</summary>
    OwnMessage,

    /// <summary>The verdict came too late to count.</summary>
    Deadline,
}

/// <summary>A verdict, its reason, and whether the sender is at fault. Only a rejection blames the sender; there is no way to make another.</summary>
public readonly record struct ValidationOutcome
{
    private readonly sbyte _pending;
    private readonly int _element;

    private ValidationOutcome(
        ValidationVerdict verdict, ValidationReason reason, in Address signer = default, string? detail = null, sbyte pending = 0, int element = 0)
    {
        Verdict = verdict;
        Reason = reason;
        Signer = signer;
        Detail = detail;
        _pending = pending;
        _element = element;
    }

    /// <summary>What to do.</summary>
    public ValidationVerdict Verdict { get; }

    /// <summary>Why; <see cref="ValidationReason.None"/> when accepted.</summary>
    public ValidationReason Reason { get; }

    /// <summary>Whether the sender is to blame.</summary>
    public SenderFault Fault => Verdict == ValidationVerdict.Reject ? SenderFault.Sender : SenderFault.None;

    /// <summary>What a pending message waits for; none for other verdicts.</summary>
    public PendingKind? PendingKind => _pending == 0 ? null : (PendingKind)(_pending - 1);

    /// <summary>Who signed, if that is known; else zero.</summary>
    public Address Signer { get; }

    /// <summary>The element of a list that decided, counted from 0; none when it is not about one.</summary>
    public int? Element => _element == 0 ? null : _element - 1;

    /// <summary>Words beyond the reason, such as the host's; mostly none.</summary>
    public string? Detail { get; }

    /// <summary>Whether the verdict is <see cref="ValidationVerdict.Accept"/>.</summary>
    public bool IsAccepted => Verdict == ValidationVerdict.Accept;

    /// <summary>Valid.</summary>
    /// <param name="signer">Who signed, if anyone.</param>
    /// <returns>The outcome.</returns>
    public static ValidationOutcome Accept(in Address signer = default) => new(ValidationVerdict.Accept, ValidationReason.None, in signer);

    /// <summary>Not to be used, and nobody's fault.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="signer">Who signed, if that is known.</param>
    /// <param name="detail">Words beyond the reason.</param>
    /// <returns>The outcome.</returns>
    public static ValidationOutcome Ignore(ValidationReason reason, in Address signer = default, string? detail = null) =>
        new(ValidationVerdict.Ignore, reason, in signer, detail);

    /// <summary>Invalid, by the sender's fault.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="signer">Who signed, if that is known.</param>
    /// <param name="detail">Words beyond the reason.</param>
    /// <returns>The outcome.</returns>
    public static ValidationOutcome Reject(ValidationReason reason, in Address signer = default, string? detail = null) =>
        new(ValidationVerdict.Reject, reason, in signer, detail);

    /// <summary>To be kept until what is missing is there.</summary>
    /// <param name="kind">What is missing.</param>
    /// <param name="signer">Who signed.</param>
    /// <returns>The outcome; its reason follows from <paramref name="kind"/>.</returns>
    public static ValidationOutcome Pending(PendingKind kind, in Address signer = default) => new(
        ValidationVerdict.Pending,
        kind == Validation.PendingKind.Parent ? ValidationReason.ParentUnknown : ValidationReason.ScheduleUnknown,
        in signer,
        pending: (sbyte)(1 + (int)kind));

    /// <summary>The same outcome, about one element of a list.</summary>
    /// <param name="element">Which, counted from 0.</param>
    /// <returns>The outcome.</returns>
    public ValidationOutcome ForElement(int element) => new(Verdict, Reason, Signer, Detail, _pending, element + 1);

    /// <summary>The sentence for a log.</summary>
    /// <returns>Verdict, reason, fault, and what else is known.</returns>
    public override string ToString()
    {
        string text = Verdict == ValidationVerdict.Accept ? "Accept" : $"{Verdict}, {Reason}";
        text = Element is { } element ? string.Create(CultureInfo.InvariantCulture, $"{text}, element {element}") : text;
        text = Signer.IsZero ? text : $"{text}, signer {Signer}";
        text = Fault == SenderFault.Sender ? $"{text}, the sender's fault" : text;
        return Detail is null ? text : $"{text}: {Detail}";
    }
}
