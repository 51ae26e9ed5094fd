using System.Text;

namespace Preconf.Native.Interop;

/// <summary>
/// A native node. The token inside names it to the native part and is never reused, so a call after the end is refused there
/// and can't touch freed memory. Only what is read in place (ring slots, payloads) needs the node alive: the pump and the lanes
/// have ended before <see cref="TryFree"/> is called.
/// </summary>
internal sealed unsafe class NodeHandle
{
    private const int TextCapacity = 1016;
    private readonly ulong _token;
    private volatile bool _freed;

    private NodeHandle(ulong token) => _token = token;

    /// <summary>A forgotten node is told to stop; its memory goes when its threads have ended, or stays.</summary>
    ~NodeHandle()
    {
        if (!_freed)
        {
            NativeMethods.pcn_node_stop(_token);
        }
    }

    /// <summary>What names the node to the native part.</summary>
    public ulong Token => _token;

    /// <summary>Starts a node: key, transports and listeners are there when it returns.</summary>
    /// <exception cref="NativeCallException">It could not start; the detail says why.</exception>
    public static NodeHandle Start(ref PcnConfig config)
    {
        NativeLibraryProbe.EnsureLoaded();
        ulong token;
        PcnDetail detail;
        detail.len = 0;
        fixed (PcnConfig* pointer = &config)
        {
            Check(NativeMethods.pcn_node_start(pointer, &token, &detail), "start", &detail);
        }

        return new NodeHandle(token);
    }

    /// <summary>Waits for events and gives them in place: they are readable until <see cref="Advance"/>.</summary>
    /// <returns>Ok with at least one event, Timeout (also when interrupted) or Stopped after the last one.</returns>
    public PcnStatus WaitEvents(uint timeoutMs, out ReadOnlySpan<PcnEvent> events)
    {
        PcnEvent* first;
        uint count;
        PcnStatus status = NativeMethods.pcn_node_events(_token, timeoutMs, &first, &count);
        events = status == PcnStatus.Ok ? new ReadOnlySpan<PcnEvent>(first, (int)count) : default;
        return status;
    }

    public void Advance(int count) => NativeMethods.pcn_node_advance(_token, (uint)count);

    public PcnStatus Release(ulong lease) => NativeMethods.pcn_node_release(_token, &lease, 1);

    public PcnStatus Report(ReadOnlySpan<PcnVerdict> verdicts)
    {
        fixed (PcnVerdict* pointer = verdicts)
        {
            return NativeMethods.pcn_node_verdicts(_token, pointer, (uint)verdicts.Length);
        }
    }

    /// <summary>Publishes <paramref name="head"/> and then <paramref name="data"/> as one message, copied from where they are.</summary>
    public PcnStatus Publish(byte topic, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data, ulong token, uint deadlineMs)
    {
        fixed (byte* headPointer = head, pointer = data)
        {
            return NativeMethods.pcn_node_publish(_token, topic, Bytes(headPointer, head.Length), pointer, (nuint)data.Length, token, deadlineMs, null);
        }
    }

    public PcnStatus Request(byte protocol, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> data, ulong token, uint timeoutMs, out string text)
    {
        fixed (byte* peerPointer = peer, dataPointer = data)
        {
            PcnDetail detail;
            detail.len = 0;
            PcnStatus status = NativeMethods.pcn_node_request(
                _token, protocol, Bytes(peerPointer, peer.Length), dataPointer, (nuint)data.Length, token, timeoutMs, &detail);
            text = status == PcnStatus.Ok ? string.Empty : Text(&detail);
            return status;
        }
    }

    /// <summary>Answers with <paramref name="head"/> and then <paramref name="data"/>, copied from where they are.</summary>
    public PcnStatus Respond(ulong channel, ReadOnlySpan<byte> head, ReadOnlySpan<byte> data)
    {
        fixed (byte* headPointer = head, pointer = data)
        {
            return NativeMethods.pcn_node_respond(_token, channel, Bytes(headPointer, head.Length), pointer, (nuint)data.Length, null);
        }
    }

    public PcnStatus Refuse(ulong channel) => NativeMethods.pcn_node_refuse(_token, channel);

    public PcnStatus Dial(ReadOnlySpan<byte> address, ulong token, out string text)
    {
        fixed (byte* pointer = address)
        {
            PcnDetail detail;
            detail.len = 0;
            PcnStatus status = NativeMethods.pcn_node_dial(_token, Bytes(pointer, address.Length), token, &detail);
            text = status == PcnStatus.Ok ? string.Empty : Text(&detail);
            return status;
        }
    }

    public PcnStatus Disconnect(ReadOnlySpan<byte> peer)
    {
        fixed (byte* pointer = peer)
        {
            return NativeMethods.pcn_node_disconnect(_token, Bytes(pointer, peer.Length), null);
        }
    }

    public PcnStatus SetBlocked(ReadOnlySpan<byte> peer, bool blocked)
    {
        fixed (byte* pointer = peer)
        {
            return NativeMethods.pcn_node_set_blocked(_token, Bytes(pointer, peer.Length), blocked ? (byte)1 : (byte)0, null);
        }
    }

    public PcnStatus Block(ReadOnlySpan<byte> target, bool blocked, out string text)
    {
        fixed (byte* pointer = target)
        {
            PcnDetail detail;
            detail.len = 0;
            PcnStatus status = NativeMethods.pcn_node_block(_token, Bytes(pointer, target.Length), blocked ? (byte)1 : (byte)0, &detail);
            text = status == PcnStatus.Ok ? string.Empty : Text(&detail);
            return status;
        }
    }

    public PcnStatus Protect(ReadOnlySpan<byte> peer, bool isProtected, out string text)
    {
        fixed (byte* pointer = peer)
        {
            PcnDetail detail;
            detail.len = 0;
            PcnStatus status = NativeMethods.pcn_node_protect(_token, Bytes(pointer, peer.Length), isProtected ? (byte)1 : (byte)0, &detail);
            text = status == PcnStatus.Ok ? string.Empty : Text(&detail);
            return status;
        }
    }

    public PcnStatus SetScore(ReadOnlySpan<byte> peer, double score)
    {
        fixed (byte* pointer = peer)
        {
            return NativeMethods.pcn_node_set_score(_token, Bytes(pointer, peer.Length), score, null);
        }
    }

    /// <summary>The node's own record as it is now, or null without discovery and after the end.</summary>
    public string? Enr()
    {
        const int Capacity = 512;
        byte* buffer = stackalloc byte[Capacity];
        nuint length;
        return NativeMethods.pcn_node_enr(_token, buffer, Capacity, &length) == PcnStatus.Ok ? Encoding.ASCII.GetString(buffer, (int)length) : null;
    }

    public bool TryGetStats(out PcnStats stats)
    {
        fixed (PcnStats* pointer = &stats)
        {
            *pointer = default;
            return NativeMethods.pcn_node_stats(_token, pointer) == PcnStatus.Ok;
        }
    }

    public void SetLogLevel(byte level) => NativeMethods.pcn_node_set_log_level(_token, level);

    /// <summary>Asks the node to stop; returns at once.</summary>
    public void Stop() => NativeMethods.pcn_node_stop(_token);

    /// <summary>Waits until all native threads of the node have ended.</summary>
    public bool WaitStopped(TimeSpan timeout) =>
        NativeMethods.pcn_node_wait_stopped(_token, (uint)Math.Clamp(timeout.TotalMilliseconds, 0, uint.MaxValue - 1)) == PcnStatus.Ok;

    /// <summary>Frees the node; everything that read its memory has ended.</summary>
    /// <returns>False when it is not at rest: then it is left alone.</returns>
    public bool TryFree()
    {
        if (NativeMethods.pcn_node_free(_token) != PcnStatus.Ok)
        {
            return false;
        }

        _freed = true;
        return true;
    }

    /// <summary>An identity's secret, read from its file or made with it.</summary>
    /// <exception cref="NativeCallException">The file could not be read, made or understood.</exception>
    public static byte[] LoadKey(string path, bool create)
    {
        NativeLibraryProbe.EnsureLoaded();
        byte[] secret = GC.AllocateArray<byte>(32, pinned: true);
        byte[] utf8 = Encoding.UTF8.GetBytes(path);
        fixed (byte* pathPointer = utf8, secretPointer = secret)
        {
            PcnDetail detail;
            detail.len = 0;
            Check(NativeMethods.pcn_key_load(Bytes(pathPointer, utf8.Length), create ? (byte)1 : (byte)0, secretPointer, &detail), "key", &detail);
        }

        return secret;
    }

    /// <summary>The peer id, base58, of a compressed secp256k1 key.</summary>
    public static string PeerIdOf(ReadOnlySpan<byte> publicKey33)
    {
        NativeLibraryProbe.EnsureLoaded();
        byte* buffer = stackalloc byte[128];
        nuint length;
        fixed (byte* pointer = publicKey33)
        {
            Check(NativeMethods.pcn_peer_id_from_public_key(pointer, buffer, 128, &length), "peer id", null);
        }

        return Encoding.ASCII.GetString(buffer, (int)length);
    }

    private static PcnBytes Bytes(byte* pointer, int length) => new() { ptr = pointer, len = (nuint)length };

    private static void Check(PcnStatus status, string call, PcnDetail* detail)
    {
        if (status != PcnStatus.Ok)
        {
            throw new NativeCallException(status, call, detail is null ? string.Empty : Text(detail));
        }
    }

    private static string Text(PcnDetail* detail) => Encoding.UTF8.GetString(detail->text, (int)Math.Min(detail->len, TextCapacity));
}
