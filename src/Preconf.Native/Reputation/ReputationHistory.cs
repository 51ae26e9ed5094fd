namespace Preconf.Native.Reputation;

/// <summary>The last changes of one peer's standing. Alike ones in a row are one entry, so rewards push no reason out. Not thread-safe.</summary>
internal sealed class ReputationHistory(int capacity)
{
    private ReputationEntry[] _ring = [];
    private int _head;
    private int _count;

    public void Add(in ReputationEntry entry)
    {
        // Rewards of different kinds come by turns: they may pass each other.
        for (int back = 1; back <= Math.Min(_count, 2); back++)
        {
            ref ReputationEntry last = ref _ring[(_head + _count - back) % _ring.Length];
            if (last.Reason == entry.Reason && last.Detail == entry.Detail)
            {
                last = entry with { Delta = last.Delta + entry.Delta, Count = last.Count == int.MaxValue ? last.Count : last.Count + 1 };
                return;
            }

            if (!IsReward(last.Reason) || !IsReward(entry.Reason))
            {
                break;
            }
        }

        if (_count == _ring.Length && _ring.Length < capacity)
        {
            ReputationEntry[] larger = new ReputationEntry[Math.Min(capacity, Math.Max(4, _ring.Length * 2))];
            _ring.CopyTo(larger, 0);
            _ring = larger;
        }

        if (_count == _ring.Length)
        {
            _head = (_head + 1) % _ring.Length;
            _count--;
        }

        _ring[(_head + _count) % _ring.Length] = entry;
        _count++;
    }

    private static bool IsReward(ReputationReason reason) => reason is ReputationReason.Accepted or ReputationReason.Answered;

    public ReputationEntry[] ToArray()
    {
        ReputationEntry[] entries = new ReputationEntry[_count];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = _ring[(_head + i) % _ring.Length];
        }

        return entries;
    }
}
