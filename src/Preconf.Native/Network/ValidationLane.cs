using Preconf.Native.Interop;

namespace Preconf.Native.Network;

/// <summary>What a lane does with its items, and when it has none left for the moment.</summary>
internal interface ILaneWork
{
    /// <summary>One item: validate it, answer it. Must not throw.</summary>
    void Process(in PcnEvent nativeEvent, PeerEntry peer, VerdictBatch verdicts);
}

/// <summary>Verdicts on their way to the native part, sent together; one per lane.</summary>
internal sealed class VerdictBatch(NodeHandle node)
{
    private readonly PcnVerdict[] _verdicts = new PcnVerdict[32];
    private int _count;

    /// <summary>Adds a verdict; it gives the event's lease back, so the payload must not be read any more.</summary>
    public void Add(in PcnEvent nativeEvent, byte verdict)
    {
        _verdicts[_count++] = new PcnVerdict { token = nativeEvent.token, lease = nativeEvent.lease, verdict = verdict };
        if (_count == _verdicts.Length)
        {
            Flush();
        }
    }

    public void Flush()
    {
        if (_count != 0)
        {
            node.Report(_verdicts.AsSpan(0, _count));
            _count = 0;
        }
    }
}

/// <summary>
/// A bounded queue between the pump and the thread pool. A peer's events all go through one lane, so they keep their order;
/// lanes run at once, so cores are used. The pump never waits: a full lane refuses.
/// </summary>
internal sealed class ValidationLane : IThreadPoolWorkItem
{
    // After this many items a lane makes room for other work of the pool.
    private const int Turn = 256;

    // A forwarder waits at most this many verifications (some 40 us each) for its verdict to leave.
    private const int VerdictsPerFlush = 8;

    private readonly Item[] _items;
    private readonly int _mask;
    private readonly ILaneWork _work;
    private readonly VerdictBatch _verdicts;
    private int _head;
    private int _tail;
    private int _scheduled;

    public ValidationLane(int capacity, NodeHandle node, ILaneWork work)
    {
        _items = new Item[capacity];
        _mask = capacity - 1;
        _work = work;
        _verdicts = new VerdictBatch(node);
    }

    /// <summary>Whether nothing is queued or being worked on.</summary>
    public bool IsIdle => Volatile.Read(ref _scheduled) == 0 && Volatile.Read(ref _head) == Volatile.Read(ref _tail);

    /// <summary>Called by the pump only.</summary>
    /// <returns>False when the lane is full; the caller then answers for the event.</returns>
    public bool TryEnqueue(in PcnEvent nativeEvent, PeerEntry peer)
    {
        int tail = _tail;
        if (tail - Volatile.Read(ref _head) > _mask)
        {
            return false;
        }

        ref Item item = ref _items[tail & _mask];
        item.Event = nativeEvent;
        item.Peer = peer;
        Volatile.Write(ref _tail, tail + 1);
        Schedule();
        return true;
    }

    void IThreadPoolWorkItem.Execute()
    {
        int done = 0;
        while (done < Turn && TryDequeue(out Item item))
        {
            _work.Process(in item.Event, item.Peer, _verdicts);
            if (++done % VerdictsPerFlush == 0)
            {
                _verdicts.Flush();
            }
        }

        _verdicts.Flush();
        if (done == Turn)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return;
        }

        // The exchange is a full fence: an item enqueued before it is seen below, one after it schedules anew.
        Interlocked.Exchange(ref _scheduled, 0);
        if (Volatile.Read(ref _tail) != Volatile.Read(ref _head))
        {
            Schedule();
        }
    }

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _scheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private bool TryDequeue(out Item item)
    {
        int head = _head;
        if (head == Volatile.Read(ref _tail))
        {
            item = default;
            return false;
        }

        ref Item slot = ref _items[head & _mask];
        item = slot;
        slot.Peer = null!;
        Volatile.Write(ref _head, head + 1);
        return true;
    }

    private struct Item
    {
        public PcnEvent Event;
        public PeerEntry Peer;
    }
}
