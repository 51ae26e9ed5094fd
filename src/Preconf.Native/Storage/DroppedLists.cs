namespace Preconf.Native.Storage;

/// <summary>
/// Tells the collector of the bytes that stores let go. Txlists lie where it looks only once its budget for large arrays is used up, and that budget grows with
/// all that a host keeps: unasked, it lets several times the store's bound pile up, and every list that comes is written to pages never touched before.
/// </summary>
/// <param name="heap">Bytes of the managed heap.</param>
/// <param name="collect">Starts a collection and does not wait for it.</param>
internal sealed class DroppedLists(Func<long> heap, Action collect)
{
    /// <summary>Bytes that are worth a look at any heap.</summary>
    public const long Least = 64L << 20;

    // Of a large heap, a look costs more: so much of it is to be gained.
    private const int Part = 8;

    private long _bytes;

    /// <summary>For all stores of the process, as they share its collector.</summary>
    public static DroppedLists Shared { get; } = new(() => GC.GetTotalMemory(forceFullCollection: false), CollectInBackground);

    /// <summary>A list is held no longer. Thread-safe; waits for nothing.</summary>
    /// <param name="bytes">Its length.</param>
    public void Add(long bytes)
    {
        long dropped = Interlocked.Add(ref _bytes, bytes);
        if (dropped >= Least && dropped >= heap() / Part && Interlocked.CompareExchange(ref _bytes, 0, dropped) == dropped)
        {
            collect();
        }
    }

    private static void CollectInBackground() =>
        ThreadPool.UnsafeQueueUserWorkItem(static _ => GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false), null);
}
