using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Preconf.Native.Ssz;

/// <summary>
/// What the codecs share. The fixed-size containers lie in memory as on the wire, so reading one is a check of its length and one copy.
/// </summary>
internal static class Wire
{
    /// <summary>Bytes of an offset to a variable-size field.</summary>
    public const int OffsetBytes = 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryRead<T>(ReadOnlySpan<byte> data, string container, out T value, out SszError error)
        where T : unmanaged
    {
        CheckByteOrder();
        if (data.Length != Unsafe.SizeOf<T>())
        {
            value = default;
            error = WrongLength(container, Unsafe.SizeOf<T>(), data.Length);
            return false;
        }

        value = Unsafe.ReadUnaligned<T>(ref MemoryMarshal.GetReference(data));
        error = default;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Write<T>(in T value, Span<byte> destination, string container)
        where T : unmanaged
    {
        CheckByteOrder();
        if (destination.Length < Unsafe.SizeOf<T>())
        {
            ThrowDestination(container, Unsafe.SizeOf<T>(), destination.Length);
        }

        Unsafe.WriteUnaligned(ref MemoryMarshal.GetReference(destination), value);
        return Unsafe.SizeOf<T>();
    }

    /// <summary>The wire form of a fixed-size container, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReadOnlySpan<byte> Bytes<T>(in T value)
        where T : unmanaged
    {
        CheckByteOrder();
        return MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));
    }

    public static SszError WrongLength(string container, int expected, int actual) =>
        new(SszErrorCode.WrongLength, container, string.Empty, Math.Min(expected, actual), expected, actual);

    public static SszError InvalidBoolean(string container, string field, int offset, byte value, int index = -1) =>
        new(SszErrorCode.InvalidBoolean, container, field, offset, 1, value, index);

    /// <summary>The fixed part of a container whose last field is its only variable one; gives the bytes of that field.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryReadTail(
        ReadOnlySpan<byte> data, int fixedSize, string container, string field, out ReadOnlySpan<byte> tail, out SszError error)
    {
        CheckByteOrder();
        tail = default;
        if (data.Length < fixedSize)
        {
            error = new SszError(SszErrorCode.TooShort, container, string.Empty, data.Length, fixedSize, data.Length);
            return false;
        }

        uint offset = MemoryMarshal.Read<uint>(data[(fixedSize - OffsetBytes)..]);
        if (offset != fixedSize)
        {
            error = new SszError(SszErrorCode.WrongFirstOffset, container, field, fixedSize - OffsetBytes, fixedSize, offset);
            return false;
        }

        tail = data[fixedSize..];
        error = default;
        return true;
    }

    public static void WriteOffset(Span<byte> destination, int fixedSize) =>
        MemoryMarshal.Write(destination[(fixedSize - OffsetBytes)..], fixedSize);

    [DoesNotReturn]
    public static void Throw(in SszError error) => throw new SszException(in error);

    [DoesNotReturn]
    public static void ThrowDestination(string container, int needed, int actual, string destination = "destination") =>
        throw new ArgumentException($"{container} takes {needed} bytes, the destination has {actual}", destination);

    [DoesNotReturn]
    public static void ThrowList(string container, string field, int limit, int actual) =>
        throw new ArgumentException($"{container}.{field} holds {actual} elements, the limit is {limit}", field);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CheckByteOrder()
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Preconf.Native runs on little-endian machines only");
        }
    }
}
