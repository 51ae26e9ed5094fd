using System.Net;
using System.Net.Sockets;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>A wire between a dialler and a TCP port that can go dead, with both ends believing in it (half-open), or break with a reset.</summary>
public sealed class FailingWire : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Lock _gate = new();
    private readonly List<Socket> _ends = [];
    private readonly List<Task> _copies = [];
    private readonly int _to;
    private readonly Task _accepting;
    private TaskCompletionSource _alive = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FailingWire(int to)
    {
        _to = to;
        _alive.SetResult();
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>From now on nothing gets through, and nobody is told.</summary>
    public void Die()
    {
        lock (_gate)
        {
            _alive = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Resets all connections.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            foreach (Socket end in _ends)
            {
                end.LingerState = new LingerOption(true, 0);
                end.Dispose();
            }

            _ends.Clear();
        }
    }

    /// <summary>Lets new connections through again; those that were dead are reset.</summary>
    public void Mend()
    {
        Reset();
        lock (_gate)
        {
            _alive.TrySetResult();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Mend();
        await _accepting;
        await Task.WhenAll(_copies);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket near = await _listener.AcceptAsync(), far = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await far.ConnectAsync(IPAddress.Loopback, _to);
                lock (_gate)
                {
                    _ends.AddRange([near, far]);
                    _copies.AddRange([CopyAsync(near, far), CopyAsync(far, near)]);
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The wire is taken away.
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (await from.ReceiveAsync(buffer) is int read and > 0)
            {
                await Volatile.Read(ref _alive).Task;
                await to.SendAsync(buffer.AsMemory(0, read));
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The other end is told in its own way.
        }
    }
}
