using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Preconf.Native.Benchmarks.Ring;

/// <summary>
/// What this machine's cores take to pass memory on, without a ring, a lease or a call: the figure beside which those of events are to be read. An event of 382
/// bytes is eight lines, its descriptor and its slot's header among them.
/// </summary>
internal sealed unsafe class CacheLines : IDisposable
{
    private const int Size = 64;
    private const int Lines = 1 << 14;
    private const int Together = 16;
    private readonly byte* _lines = (byte*)NativeMemory.AlignedAlloc(Size * Lines, 2 * Size);
    private readonly Turn[] _turns = new Turn[2];

    /// <summary>Nanoseconds a line, while one thread writes lines and another reads them behind it.</summary>
    /// <param name="count">Lines.</param>
    public double HandOver(int count)
    {
        _turns[0].Value = _turns[1].Value = 0;
        long started = Stopwatch.GetTimestamp();
        Thread writer = new(() => Write(count));
        writer.Start();
        long sum = Read(count);
        writer.Join();
        double nanos = Stopwatch.GetElapsedTime(started).TotalNanoseconds / count;
        return sum == (long)count * (count - 1) / 2 ? nanos : throw new InvalidOperationException("lines were read that were not those written");
    }

    public void Dispose() => NativeMemory.AlignedFree(_lines);

    // Whoever waits looks again and again: to sleep would be what is measured.
    private void Write(int count)
    {
        ref long written = ref _turns[0].Value;
        ref long read = ref _turns[1].Value;
        long free = Lines;
        for (int i = 0; i < count; i++)
        {
            while (i >= free)
            {
                Thread.SpinWait(1);
                free = Volatile.Read(ref read) + Lines;
            }

            new Span<long>(_lines + (i % Lines * Size), Size / sizeof(long)).Fill(i);
            if ((i + 1) % Together == 0 || i + 1 == count)
            {
                Volatile.Write(ref written, i + 1);
            }
        }
    }

    private long Read(int count)
    {
        ref long written = ref _turns[0].Value;
        ref long read = ref _turns[1].Value;
        long sum = 0, end = 0;
        for (int i = 0; i < count; i++)
        {
            while (i == end)
            {
                Thread.SpinWait(1);
                end = Volatile.Read(ref written);
            }

            sum += *(long*)(_lines + (i % Lines * Size));
            if ((i + 1) % Together == 0)
            {
                Volatile.Write(ref read, i + 1);
            }
        }

        return sum;
    }

    /// <summary>A position on lines of its own: processors fetch them in pairs.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 4 * Size)]
    private struct Turn
    {
        [FieldOffset(2 * Size)]
        public long Value;
    }
}
