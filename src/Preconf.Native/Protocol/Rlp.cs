using System.Buffers.Binary;

namespace Preconf.Native.Protocol;

/// <summary>An item of a list: a byte string's bytes, or a list in its encoding, unread.</summary>
internal readonly record struct RlpItem(byte[] Bytes, bool IsList);

/// <summary>The little of RLP that node records need: byte strings and one list of them, each in its only encoding; lists inside it are passed on.</summary>
internal static class Rlp
{
    private const byte ShortString = 0x80;
    private const byte ShortList = 0xc0;
    private const int LongFrom = 56;

    public static void AppendString(List<byte> to, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != 1 || bytes[0] >= ShortString)
        {
            AppendHeader(to, bytes.Length, ShortString);
        }

        to.AddRange(bytes);
    }

    /// <summary>A number: big-endian without leading zeros, 0 as the empty string.</summary>
    public static void AppendNumber(List<byte> to, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        AppendString(to, bytes.TrimStart((byte)0));
    }

    public static byte[] List(List<byte> items)
    {
        List<byte> list = new(items.Count + 3);
        AppendHeader(list, items.Count, ShortList);
        list.AddRange(items);
        return [.. list];
    }

    public static void AppendItem(List<byte> to, RlpItem item)
    {
        if (item.IsList)
        {
            to.AddRange(item.Bytes);
        }
        else
        {
            AppendString(to, item.Bytes);
        }
    }

    /// <summary>Takes a list that fills its bytes.</summary>
    public static bool TryReadList(ReadOnlySpan<byte> bytes, out List<RlpItem> items)
    {
        items = [];
        if (!TryReadHeader(ref bytes, ShortList, out int length) || length != bytes.Length)
        {
            return false;
        }

        while (!bytes.IsEmpty)
        {
            if (bytes[0] < ShortString)
            {
                items.Add(new RlpItem([bytes[0]], IsList: false));
                bytes = bytes[1..];
                continue;
            }

            ReadOnlySpan<byte> whole = bytes;
            bool isList = bytes[0] >= ShortList;
            if (!TryReadHeader(ref bytes, isList ? ShortList : ShortString, out int size) || size > bytes.Length
                || (!isList && size == 1 && bytes[0] < ShortString))
            {
                return false;
            }

            items.Add(new RlpItem(isList ? whole[..(whole.Length - bytes.Length + size)].ToArray() : bytes[..size].ToArray(), isList));
            bytes = bytes[size..];
        }

        return true;
    }

    /// <summary>Reads what <see cref="AppendNumber"/> writes.</summary>
    public static bool TryReadNumber(ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        if (bytes.Length > sizeof(ulong) || (bytes.Length != 0 && bytes[0] == 0))
        {
            return false;
        }

        foreach (byte digit in bytes)
        {
            value = (value << 8) | digit;
        }

        return true;
    }

    private static void AppendHeader(List<byte> to, int length, byte kind)
    {
        if (length < LongFrom)
        {
            to.Add((byte)(kind + length));
            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, length);
        ReadOnlySpan<byte> digits = bytes.TrimStart((byte)0);
        to.Add((byte)(kind + LongFrom - 1 + digits.Length));
        to.AddRange(digits);
    }

    private static bool TryReadHeader(ref ReadOnlySpan<byte> bytes, byte kind, out int length)
    {
        length = 0;
        if (bytes.IsEmpty || bytes[0] < kind || bytes[0] - kind > LongFrom - 1 + sizeof(ushort))
        {
            return false;
        }

        int head = bytes[0] - kind;
        bytes = bytes[1..];
        if (head < LongFrom)
        {
            length = head;
            return true;
        }

        int digits = head - (LongFrom - 1);
        if (bytes.Length < digits || bytes[0] == 0)
        {
            return false;
        }

        foreach (byte digit in bytes[..digits])
        {
            length = (length << 8) | digit;
        }

        bytes = bytes[digits..];
        return length >= LongFrom;
    }
}
