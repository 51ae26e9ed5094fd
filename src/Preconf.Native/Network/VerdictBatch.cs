using Preconf.Native.Interop;

namespace Preconf.Native.Network;

/// <summary>Gives verdicts to the native part.</summary>
internal delegate void ReportVerdicts(ReadOnlySpan<PcnVerdict> verdicts);

/// <summary>
/// Verdicts on their way to the native part, sent together; one per lane. A forwarder waits for a few verifications at most (some 40 us each), and
/// never for a slow one: <see cref="FlushDue"/> sends what is older than a millisecond, and the pump what a validation holds up.
/// </summary>
internal sealed class VerdictBatch(ReportVerdicts report, TimeProvider time, Func<bool> tryAnswer)
{
    private const int VerdictsPerFlush = 8;

    private readonly Lock _gate = new();
    private readonly PcnVerdict[] _verdicts = new PcnVerdict[VerdictsPerFlush];
    private readonly long _oldest = Math.Max(1, time.TimestampFrequency / 1000);
    private int _count;
    private long _since;

    /// <summary>
    /// Adds the verdict on the item that is being worked on; it gives the event's lease back, so the payload must not be read any more. Past its deadline
    /// it was answered before, and only the lease goes back.
    /// </summary>
    /// <returns>Whether the verdict is in time.</returns>
    public bool Add(in PcnEvent nativeEvent, byte verdict)
    {
        bool inTime = tryAnswer();
        lock (_gate)
        {
            _since = _count == 0 ? time.GetTimestamp() : _since;

            // The token of a message that was answered is not known any more: the second verdict gives the lease back, nothing else.
            _verdicts[_count++] = new PcnVerdict { token = nativeEvent.token, lease = nativeEvent.lease, verdict = inTime ? verdict : Verdicts.Ignore };
            if (_count == VerdictsPerFlush)
            {
                Send();
            }
        }

        return inTime;
    }

    /// <summary>Answers a message at once, apart from the others; its lease stays.</summary>
    public void Ignore(ulong token)
    {
        PcnVerdict ignore = new() { token = token, verdict = Verdicts.Ignore };
        report(new ReadOnlySpan<PcnVerdict>(in ignore));
    }

    /// <summary>Sends what there is.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            Send();
        }
    }

    /// <summary>Sends what there is if the oldest of it has waited for long.</summary>
    public void FlushDue()
    {
        lock (_gate)
        {
            if (_count != 0 && time.GetTimestamp() - _since >= _oldest)
            {
                Send();
            }
        }
    }

    private void Send()
    {
        if (_count != 0)
        {
            report(_verdicts.AsSpan(0, _count));
            _count = 0;
        }
    }
}
