using Preconf.Native.Types;

namespace Preconf.Native.Ssz;

/// <summary>SSZ of <see cref="RawTxListGossip"/>: the hash, an offset, the bytes of the list.</summary>
public static class RawTxListGossipCodec
{
    /// <summary>Bytes before the list: the hash and the offset.</summary>
    public const int FixedSize = TxListCodec.FixedSize;

    /// <summary>Bytes of the longest encoding.</summary>
    public const int MaxEncodedLength = FixedSize + PreconfLimits.MaxTxListBytes;

    /// <summary>Reads an encoding in place. Allocates and copies nothing; does not check that the hash is the list's.</summary>
    /// <param name="data">Exactly the encoding; must outlive the view.</param>
    /// <param name="value">The view; empty on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> data, out RawTxListGossipView value, out SszError error)
    {
        bool read = TxListCodec.TryRead(data, nameof(RawTxListGossip), out Bytes32 hash, out ReadOnlySpan<byte> list, out error);
        value = read ? new RawTxListGossipView(hash, list) : default;
        return read;
    }

    /// <summary>Reads an encoding into a copy.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value, with bytes of its own.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static RawTxListGossip Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out RawTxListGossipView value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value.ToOwned();
    }

    /// <summary>Writes the encoding. Allocates nothing; the list is copied whole.</summary>
    /// <param name="rawTxListHash">The hash.</param>
    /// <param name="txList">The list.</param>
    /// <param name="destination">At least <see cref="EncodedLength(int)"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException">The list is over its limit, or <paramref name="destination"/> is too short.</exception>
    public static int Encode(in Bytes32 rawTxListHash, ReadOnlySpan<byte> txList, Span<byte> destination) =>
        TxListCodec.Write(in rawTxListHash, txList, destination, nameof(RawTxListGossip));

    /// <inheritdoc cref="Encode(in Bytes32, ReadOnlySpan{byte}, Span{byte})"/>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="EncodedLength(RawTxListGossip)"/> bytes.</param>
    public static int Encode(RawTxListGossip value, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Encode(value.RawTxListHash, value.TxList.Span, destination);
    }

    /// <summary>Bytes of the encoding of a list of this length.</summary>
    /// <param name="txListLength">Bytes of the list.</param>
    /// <returns>Its length and <see cref="FixedSize"/>.</returns>
    public static int EncodedLength(int txListLength) => FixedSize + txListLength;

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">The value.</param>
    /// <returns>The list's length and <see cref="FixedSize"/>.</returns>
    public static int EncodedLength(RawTxListGossip value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return EncodedLength(value.TxList.Length);
    }
}

/// <summary>SSZ of <see cref="GetRawTxListResponse"/>: the hash, an offset, the bytes of the list.</summary>
public static class GetRawTxListResponseCodec
{
    /// <summary>Bytes before the list: the hash and the offset.</summary>
    public const int FixedSize = TxListCodec.FixedSize;

    /// <summary>Bytes of the longest encoding.</summary>
    public const int MaxEncodedLength = FixedSize + PreconfLimits.MaxTxListBytes;

    /// <summary>Reads an encoding in place. Allocates and copies nothing; does not check that the hash is the list's.</summary>
    /// <param name="data">Exactly the encoding; must outlive the view.</param>
    /// <param name="value">The view; empty on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> data, out GetRawTxListResponseView value, out SszError error)
    {
        bool read = TxListCodec.TryRead(data, nameof(GetRawTxListResponse), out Bytes32 hash, out ReadOnlySpan<byte> list, out error);
        value = read ? new GetRawTxListResponseView(hash, list) : default;
        return read;
    }

    /// <summary>Reads an encoding into a copy.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value, with bytes of its own.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static GetRawTxListResponse Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out GetRawTxListResponseView value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value.ToOwned();
    }

    /// <summary>Writes the encoding. Allocates nothing; the list is copied whole.</summary>
    /// <param name="rawTxListHash">The hash.</param>
    /// <param name="txList">The list.</param>
    /// <param name="destination">At least <see cref="EncodedLength(int)"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException">The list is over its limit, or <paramref name="destination"/> is too short.</exception>
    public static int Encode(in Bytes32 rawTxListHash, ReadOnlySpan<byte> txList, Span<byte> destination) =>
        TxListCodec.Write(in rawTxListHash, txList, destination, nameof(GetRawTxListResponse));

    /// <inheritdoc cref="Encode(in Bytes32, ReadOnlySpan{byte}, Span{byte})"/>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="EncodedLength(GetRawTxListResponse)"/> bytes.</param>
    public static int Encode(GetRawTxListResponse value, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Encode(value.RawTxListHash, value.TxList.Span, destination);
    }

    /// <summary>Bytes of the encoding of a list of this length.</summary>
    /// <param name="txListLength">Bytes of the list.</param>
    /// <returns>Its length and <see cref="FixedSize"/>.</returns>
    public static int EncodedLength(int txListLength) => FixedSize + txListLength;

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">The value.</param>
    /// <returns>The list's length and <see cref="FixedSize"/>.</returns>
    public static int EncodedLength(GetRawTxListResponse value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return EncodedLength(value.TxList.Length);
    }
}

/// <summary>The form both containers share: B32 and List[u8, 2 MiB].</summary>
internal static class TxListCodec
{
    public const int FixedSize = Bytes32.Size + Wire.OffsetBytes;

    private const string Field = "txlist";

    public static bool TryRead(ReadOnlySpan<byte> data, string container, out Bytes32 hash, out ReadOnlySpan<byte> list, out SszError error)
    {
        hash = default;
        if (!Wire.TryReadTail(data, FixedSize, container, Field, out list, out error))
        {
            return false;
        }

        if (list.Length > PreconfLimits.MaxTxListBytes)
        {
            error = new SszError(
                SszErrorCode.ListTooLong, container, Field, FixedSize + PreconfLimits.MaxTxListBytes, PreconfLimits.MaxTxListBytes, list.Length);
            list = default;
            return false;
        }

        hash = new Bytes32(data[..Bytes32.Size]);
        return true;
    }

    public static int Write(in Bytes32 hash, ReadOnlySpan<byte> list, Span<byte> destination, string container)
    {
        if (list.Length > PreconfLimits.MaxTxListBytes)
        {
            Wire.ThrowList(container, Field, PreconfLimits.MaxTxListBytes, list.Length);
        }

        int length = FixedSize + list.Length;
        if (destination.Length < length)
        {
            Wire.ThrowDestination(container, length, destination.Length);
        }

        WriteHead(in hash, destination);
        list.CopyTo(destination[FixedSize..]);
        return length;
    }

    /// <summary>Writes what stands before the list, for those who send the list from where it is.</summary>
    public static void WriteHead(in Bytes32 hash, Span<byte> destination)
    {
        hash.CopyTo(destination);
        Wire.WriteOffset(destination, FixedSize);
    }
}
