using System.Reflection;
using System.Runtime.InteropServices;
using Preconf.Native.Interop;
using Preconf.Native.Network;

namespace Preconf.Native.Benchmarks.Ring;

/// <summary>
/// A node without peers, from a library built with the exports that emit synthetic events, and read as the library's own pump reads it:
/// runs of descriptors in place, leases given back together.
/// </summary>
internal sealed unsafe class TestNode : IDisposable
{
    private const string Library = "preconf_native";
    private const int ReleaseTogether = 256;

    private readonly NodeHandle _node;
    private readonly ulong[] _leases = new ulong[ReleaseTogether];
    private int _held;

    private TestNode(NodeHandle node) => _node = node;

    /// <summary>Makes both this program and Preconf.Native take that library.</summary>
    public static void Use(string path)
    {
        nint handle = NativeLibrary.Load(path);
        nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) => name == Library ? handle : 0;
        NativeLibrary.SetDllImportResolver(typeof(NodeHandle).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(TestNode).Assembly, Resolve);
    }

    public static TestNode Start(int slots)
    {
        P2pConfig config = new() { EphemeralKey = true, EnableTcp = false, EnableQuic = false, EnableMemoryTransport = true, EnableDiscovery = false };
        config.Listen.Clear();
        config.Listen.Add("/memory/0");
        config.Resources.RingSlots = slots;
        byte[] secret = new byte[32];
        secret[31] = 1;
        return new TestNode(NativeConfig.Start(config, OperatorRules.Load(config.Gater, dataDirectory: null), secret, logLevel: 0));
    }

    public ulong Token => _node.Token;

    /// <summary>Asks for so many events of so many bytes, as fast as the node's task makes them.</summary>
    public void Emit(int count, int length)
    {
        if (pcn_test_emit(_node.Token, (uint)count, (uint)length) != PcnStatus.Ok)
        {
            throw new InvalidOperationException("the node takes no tests: it is not built with test-exports, or has stopped");
        }
    }

    /// <summary>Waits for a run and gives it to <paramref name="reader"/>, event by event; then the slots and leases go back.</summary>
    /// <returns>False when none came within ten seconds.</returns>
    public bool Read<TReader>(ref TReader reader)
        where TReader : struct, IEventReader
    {
        PcnStatus status = _node.WaitEvents(10_000, out ReadOnlySpan<PcnEvent> events);
        if (status != PcnStatus.Ok)
        {
            return false;
        }

        foreach (ref readonly PcnEvent nativeEvent in events)
        {
            reader.On(in nativeEvent);
            if (nativeEvent.lease != 0)
            {
                _leases[_held++] = nativeEvent.lease;
                if (_held == ReleaseTogether)
                {
                    Release();
                }
            }
        }

        _node.Advance(events.Length);
        Release();
        return true;
    }

    public void Dispose()
    {
        _node.Stop();
        Nothing nothing = default;
        while (Read(ref nothing))
        {
            // To the last event; what is read after it is refused.
        }

        _node.WaitStopped(TimeSpan.FromSeconds(10));
        _node.TryFree();
    }

    /// <summary>Nanoseconds of the clock whose time events carry.</summary>
    [DllImport(Library)]
    public static extern ulong pcn_test_clock();

    /// <summary>A guarded call that does nothing.</summary>
    [DllImport(Library)]
    public static extern PcnStatus pcn_test_nothing();

    [DllImport(Library)]
    private static extern PcnStatus pcn_test_emit(ulong node, uint count, uint length);

    private void Release()
    {
        if (_held != 0)
        {
            fixed (ulong* leases = _leases)
            {
                NativeMethods.pcn_node_release(_node.Token, leases, (uint)_held);
            }

            _held = 0;
        }
    }

    private struct Nothing : IEventReader
    {
        public readonly void On(in PcnEvent nativeEvent)
        {
            // Only to empty the ring.
        }
    }
}

/// <summary>What is done with each event.</summary>
internal interface IEventReader
{
    void On(in PcnEvent nativeEvent);
}
