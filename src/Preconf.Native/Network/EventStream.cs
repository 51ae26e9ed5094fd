using System.Runtime.CompilerServices;

namespace Preconf.Native.Network;

/// <summary>
/// A subscription as an async stream. The node knows its reader alone, not the stream: one that nobody reads or holds is collected, and its reader with it.
/// </summary>
internal sealed class EventStream : IAsyncEnumerable<NetworkEvent>
{
    private readonly P2pHandle _handle;
    private readonly CancellationToken _cancellation;
    private EventReader<NetworkEvent>? _first;

    public EventStream(P2pHandle handle, CancellationToken cancellation)
    {
        _handle = handle;
        _cancellation = cancellation;
        _first = handle.Subscribe();
    }

    ~EventStream() => _first?.Dispose();

    public IAsyncEnumerator<NetworkEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        EventReader<NetworkEvent> reader = Interlocked.Exchange(ref _first, null) ?? _handle.Subscribe();
        return new Enumerator(reader, _cancellation, cancellationToken);
    }

    private sealed class Enumerator : IAsyncEnumerator<NetworkEvent>
    {
        private readonly EventReader<NetworkEvent> _reader;
        private readonly CancellationTokenSource? _linked;
        private readonly CancellationToken _cancellation;
        private NetworkEvent _current;

        public Enumerator(EventReader<NetworkEvent> reader, CancellationToken first, CancellationToken second)
        {
            _reader = reader;
            _linked = first.CanBeCanceled && second.CanBeCanceled && first != second ? CancellationTokenSource.CreateLinkedTokenSource(first, second) : null;
            _cancellation = _linked?.Token ?? (first.CanBeCanceled ? first : second);
        }

        ~Enumerator() => _reader.Dispose();

        public NetworkEvent Current => _current;

        public ValueTask<bool> MoveNextAsync() =>
            !_cancellation.IsCancellationRequested && _reader.TryRead(out _current) ? new ValueTask<bool>(true) : WaitAsync();

        public ValueTask DisposeAsync()
        {
            GC.SuppressFinalize(this);
            _current = default;
            _reader.Dispose();
            _linked?.Dispose();
            return default;
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        private async ValueTask<bool> WaitAsync()
        {
            while (await _reader.WaitToReadAsync(_cancellation).ConfigureAwait(false))
            {
                if (_reader.TryRead(out _current))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
