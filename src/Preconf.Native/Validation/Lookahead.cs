using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>What the schedule says of a window.</summary>
public enum LookaheadKind
{
    /// <summary>It does not know the window yet.</summary>
    Unknown,

    /// <summary>It knows who may sign and when the slot ends.</summary>
    Known,

    /// <summary>It could not be asked.</summary>
    Failed,
}

/// <summary>The schedule's answer about one window.</summary>
public readonly record struct LookaheadAnswer
{
    private LookaheadAnswer(LookaheadKind kind, in Address signer, in UInt256 expectedSlotEnd, string? error)
    {
        Kind = kind;
        Signer = signer;
        ExpectedSlotEnd = expectedSlotEnd;
        Error = error;
    }

    /// <summary>What kind of answer it is.</summary>
    public LookaheadKind Kind { get; }

    /// <summary>Who may sign, when known.</summary>
    public Address Signer { get; }

    /// <summary>Where the slot that holds the window's end itself ends, Unix seconds, when known.</summary>
    public UInt256 ExpectedSlotEnd { get; }

    /// <summary>Why it could not be asked.</summary>
    public string? Error { get; }

    /// <summary>The window is not known yet.</summary>
    public static LookaheadAnswer Unknown => default;

    /// <summary>The window is known.</summary>
    /// <param name="signer">Who may sign.</param>
    /// <param name="expectedSlotEnd">Where the slot ends, Unix seconds.</param>
    /// <returns>The answer.</returns>
    public static LookaheadAnswer Known(in Address signer, in UInt256 expectedSlotEnd) =>
        new(LookaheadKind.Known, in signer, in expectedSlotEnd, null);

    /// <summary>The schedule could not be asked.</summary>
    /// <param name="error">Why.</param>
    /// <returns>The answer.</returns>
    public static LookaheadAnswer Failed(string error) => new(LookaheadKind.Failed, default, default, error);
}

/// <summary>The schedule of who may sign when; the host supplies it.</summary>
public interface ILookaheadResolver
{
    /// <summary>Who may sign for a window. Called for every commitment, from several threads: answer from memory.</summary>
    /// <param name="submissionWindowEnd">The end of the window, as the commitment says, Unix seconds.</param>
    /// <returns>The answer. An exception counts as <see cref="LookaheadKind.Failed"/>.</returns>
    LookaheadAnswer SignerFor(UInt256 submissionWindowEnd);
}
