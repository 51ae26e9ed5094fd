using Preconf.Native.Interop;

namespace Preconf.Native.Network;

/// <summary>What a lane does with its items.</summary>
internal interface ILaneWork
{
    /// <summary>One item: judge it and answer it, through <paramref name="verdicts"/> where it is gossip.</summary>
    void Process(in PcnEvent nativeEvent, PeerEntry peer, VerdictBatch verdicts);

    /// <summary>An item whose validation is not done in time; it was answered Ignore. Called by the pump, so it must neither wait nor call the host.</summary>
    void Late(in PcnEvent nativeEvent, PeerEntry peer);
}

/// <summary>How a lane is bounded and timed.</summary>
/// <param name="Capacity">Items of all peers.</param>
/// <param name="Deadline">Time from an item's coming until it is answered Ignore; null where items have none.</param>
/// <param name="Time">The clock.</param>
internal sealed record LaneOptions(int Capacity, TimeSpan? Deadline, TimeProvider Time);

/// <summary>
/// A bounded queue between the pump and the thread pool. A peer's events all go through one lane and keep their order; the lane's peers
/// take turns, and none may hold more than it leaves free: one that floods alone has half of the lane, waits for itself and loses its own.
/// Lanes run at once, so cores are used. The pump never waits: what has no room is refused.
/// </summary>
internal sealed class ValidationLane : IThreadPoolWorkItem
{
    // After this many items a lane makes room for other work of the pool.
    private const int Turn = 256;
    private const int None = -1;

    // Room for a backlog is made when there is one.
    private const int FirstItems = 64;

    private readonly Lock _gate = new();
    private readonly LaneOptions _options;
    private readonly ILaneWork _work;
    private readonly VerdictBatch _verdicts;
    private readonly long _deadlineTicks;
    private readonly Dictionary<PeerEntry, int> _queueOf = [];
    private Item[] _items;
    private PeerQueue[] _queues = [];
    private int _freeItem = None;
    private int _usedItems;
    private int _freeQueue = None;
    private int _turn = None;
    private int _count;
    private int _scheduled;
    private bool _working;
    private Item _current;

    public ValidationLane(LaneOptions options, ReportVerdicts report, ILaneWork work)
    {
        _options = options;
        _items = new Item[Math.Min(options.Capacity, FirstItems)];
        _work = work;
        _verdicts = new VerdictBatch(report, options.Time, TryAnswer);
        _deadlineTicks = options.Deadline is { } deadline ? (long)(deadline.TotalSeconds * options.Time.TimestampFrequency) : long.MaxValue;
    }

    /// <summary>Whether nothing is queued or being worked on.</summary>
    public bool IsIdle => Volatile.Read(ref _scheduled) == 0 && Volatile.Read(ref _count) == 0;

    /// <summary>Called by the pump only.</summary>
    /// <returns>False when the lane, or the peer's share of it, is full; the caller then answers for the event.</returns>
    public bool TryEnqueue(in PcnEvent nativeEvent, PeerEntry peer)
    {
        lock (_gate)
        {
            int free = _options.Capacity - _count;
            if (free == 0 || (_queueOf.TryGetValue(peer, out int held) && _queues[held].Count >= free))
            {
                return false;
            }

            // First of all, for it may take memory that is not there.
            int slot = TakeItem();
            ref int known = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_queueOf, peer, out bool exists);
            if (!exists)
            {
                known = TakeQueue(peer);
            }

            ref PeerQueue queue = ref _queues[known];
            _items[slot] = new Item { Event = nativeEvent, Peer = peer, At = _options.Time.GetTimestamp(), Next = None };
            if (queue.Count == 0)
            {
                queue.First = slot;
            }
            else
            {
                _items[queue.Last].Next = slot;
            }

            queue.Last = slot;
            queue.Unanswered = queue.Unanswered == None ? slot : queue.Unanswered;
            queue.Count++;
            Volatile.Write(ref _count, _count + 1);
        }

        Schedule();
        return true;
    }

    /// <summary>Called by the pump every now and then while the lane is busy: sends verdicts that wait, and answers what is past its deadline.</summary>
    public void Watch()
    {
        _verdicts.FlushDue();
        if (_deadlineTicks == long.MaxValue)
        {
            return;
        }

        long limit = _options.Time.GetTimestamp() - _deadlineTicks;
        while (TryTakeLate(limit, out Item late))
        {
            _verdicts.Ignore(late.Event.token);
            _work.Late(in late.Event, late.Peer);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        int done = 0;
        while (done < Turn && TryDequeue())
        {
            _work.Process(in _current.Event, _current.Peer, _verdicts);
            _verdicts.FlushDue();
            done++;
        }

        _verdicts.Flush();
        if (done == Turn)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return;
        }

        // The exchange is a full fence: an item enqueued before it is seen below, one after it schedules anew.
        Interlocked.Exchange(ref _scheduled, 0);
        if (Volatile.Read(ref _count) != 0)
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

    // The worker has its verdict; false when the deadline has answered before.
    private bool TryAnswer()
    {
        lock (_gate)
        {
            bool inTime = !_current.Answered;
            _current.Answered = true;
            return inTime;
        }
    }

    private bool TryDequeue()
    {
        lock (_gate)
        {
            _working = false;
            if (_count == 0)
            {
                _current = default;
                return false;
            }

            ref PeerQueue queue = ref _queues[_turn];
            int slot = queue.First;
            _current = _items[slot];
            _working = true;
            queue.First = _current.Next;
            queue.Unanswered = queue.Unanswered == slot ? _current.Next : queue.Unanswered;
            queue.Count--;
            _items[slot] = new Item { Next = _freeItem };
            _freeItem = slot;
            Volatile.Write(ref _count, _count - 1);
            int next = queue.After;
            if (queue.Count == 0)
            {
                next = LeaveQueue(_turn);
            }

            _turn = next;
            return true;
        }
    }

    private bool TryTakeLate(long limit, out Item late)
    {
        lock (_gate)
        {
            if (_working && !_current.Answered && _current.At <= limit)
            {
                _current.Answered = true;
                late = _current;
                return true;
            }

            for (int at = _turn, left = _queueOf.Count; left != 0; at = _queues[at].After, left--)
            {
                ref PeerQueue queue = ref _queues[at];
                if (queue.Unanswered != None && _items[queue.Unanswered].At <= limit)
                {
                    ref Item item = ref _items[queue.Unanswered];
                    item.Answered = true;
                    queue.Unanswered = item.Next;
                    late = item;
                    return true;
                }
            }
        }

        late = default;
        return false;
    }

    // Slots are used again before new ones are, so memory that no backlog ever needed stays untouched.
    private int TakeItem()
    {
        if (_freeItem == None)
        {
            if (_usedItems == _items.Length)
            {
                Array.Resize(ref _items, Math.Min(_options.Capacity, _items.Length * 2));
            }

            return _usedItems++;
        }

        int slot = _freeItem;
        _freeItem = _items[slot].Next;
        return slot;
    }

    // The queues with items form a ring; a new one comes before the one whose turn it is, so it waits for each other's next item at most.
    private int TakeQueue(PeerEntry peer)
    {
        if (_freeQueue == None)
        {
            _freeQueue = _queues.Length;
            Array.Resize(ref _queues, Math.Max(4, _queues.Length * 2));
            for (int i = _freeQueue; i < _queues.Length; i++)
            {
                _queues[i].After = i + 1 == _queues.Length ? None : i + 1;
            }
        }

        int taken = _freeQueue;
        _freeQueue = _queues[taken].After;
        (int before, int after) = _turn == None ? (taken, taken) : (_queues[_turn].Before, _turn);
        _queues[taken] = new PeerQueue { Peer = peer, First = None, Last = None, Unanswered = None, Before = before, After = after };
        _queues[before].After = taken;
        _queues[after].Before = taken;
        _turn = _turn == None ? taken : _turn;
        return taken;
    }

    private int LeaveQueue(int index)
    {
        ref PeerQueue queue = ref _queues[index];
        int next = queue.After == index ? None : queue.After;
        _queues[queue.Before].After = queue.After;
        _queues[queue.After].Before = queue.Before;
        _queueOf.Remove(queue.Peer);
        queue = new PeerQueue { After = _freeQueue };
        _freeQueue = index;
        return next;
    }

    private struct Item
    {
        public PcnEvent Event;
        public PeerEntry Peer;
        public long At;
        public int Next;
        public bool Answered;
    }

    private struct PeerQueue
    {
        public PeerEntry Peer;
        public int First;
        public int Last;
        public int Unanswered;
        public int Count;
        public int Before;
        public int After;
    }
}
