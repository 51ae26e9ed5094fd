namespace Preconf.Native.Interop;

/// <summary>Takes a node's events. Called from the pump's thread only; must neither block nor run code of the host.</summary>
internal interface INativeEventSink
{
    /// <summary>One event; its payload stays readable until its lease is given back.</summary>
    void OnEvent(in PcnEvent nativeEvent);

    /// <summary>The end of a batch, or of the time it asked for.</summary>
    /// <returns>Milliseconds after which it wants to be called again though nothing comes; <see cref="uint.MaxValue"/>: it need not be.</returns>
    uint OnBatchEnd();

    /// <summary>Nothing comes after this. <paramref name="failure"/> is a fault of the pump itself.</summary>
    void OnEnd(Exception? failure);
}

/// <summary>One thread per node that drains the ring and hands each event on, until the node's last.</summary>
internal sealed class EventPump
{
    // Slots are given back at least this often, so that a long batch does not starve the producer.
    private const int MaxBatch = 256;

    private readonly NodeHandle _node;
    private readonly INativeEventSink _sink;
    private readonly Thread _thread;

    public EventPump(NodeHandle node, INativeEventSink sink)
    {
        _node = node;
        _sink = sink;
        _thread = new Thread(Run) { IsBackground = true, Name = "preconf-pump" };
    }

    /// <summary>Whether the caller is the pump itself.</summary>
    public bool IsCurrentThread => Thread.CurrentThread == _thread;

    public void Start() => _thread.Start();

    /// <summary>Waits for the thread's end.</summary>
    public bool Join(TimeSpan timeout) => _thread.Join(timeout);

    private void Run()
    {
        Exception? failure = null;
        try
        {
            Drain();
        }
        catch (Exception error)
        {
            failure = error;
        }

        _sink.OnEnd(failure);
    }

    private void Drain()
    {
        uint patience = uint.MaxValue;
        while (true)
        {
            PcnStatus status = _node.WaitEvents(patience, out ReadOnlySpan<PcnEvent> events);
            if (status == PcnStatus.Timeout)
            {
                patience = _sink.OnBatchEnd();
                continue;
            }

            if (status != PcnStatus.Ok)
            {
                if (status != PcnStatus.Stopped)
                {
                    throw new NativeCallException(status, "events", "the event ring can no longer be read");
                }

                return;
            }

            while (!events.IsEmpty)
            {
                int count = Math.Min(events.Length, MaxBatch);
                foreach (ref readonly PcnEvent nativeEvent in events[..count])
                {
                    _sink.OnEvent(in nativeEvent);
                }

                _node.Advance(count);
                events = events[count..];
            }

            patience = _sink.OnBatchEnd();
        }
    }
}
