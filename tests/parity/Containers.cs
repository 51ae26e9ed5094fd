using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>The containers by name: decode to a value that is then encoded again and hashed.</summary>
internal static class Containers
{
    public static readonly string[] Names =
    [
        "GetCommitmentsByNumberRequest",
        "GetCommitmentsByNumberResponse",
        "GetHeadRequest",
        "GetRawTxListRequest",
        "GetRawTxListResponse",
        "PreconfCommitment",
        "PreconfHead",
        "Preconfirmation",
        "RawTxListGossip",
        "SignedCommitment",
    ];

    /// <summary>What became of bytes: their error, or their encoding made anew and their root.</summary>
    public readonly record struct Outcome(SszError Error, byte[] Encoded, Bytes32 Root, int EncodedLength);

    private delegate bool TryDecoder<T>(ReadOnlySpan<byte> data, out T value, out SszError error)
        where T : allows ref struct;

    private delegate int Encoder<T>(in T value, Span<byte> destination)
        where T : allows ref struct;

    private delegate int Measure<T>(in T value)
        where T : allows ref struct;

    private delegate Bytes32 Rooter<T>(in T value)
        where T : allows ref struct;

    public static Outcome Decode(string container, ReadOnlySpan<byte> data) => container switch
    {
        "GetCommitmentsByNumberRequest" => Run<GetCommitmentsByNumberRequest>(
            data, GetCommitmentsByNumberRequestCodec.TryDecode, GetCommitmentsByNumberRequestCodec.EncodedLength, GetCommitmentsByNumberRequestCodec.Encode, HashTreeRoot.Of),
        "GetCommitmentsByNumberResponse" => Run(
            data,
            GetCommitmentsByNumberResponseCodec.TryDecode,
            (in GetCommitmentsByNumberResponseView value) => GetCommitmentsByNumberResponseCodec.EncodedLength(value.Count),
            (in GetCommitmentsByNumberResponseView value, Span<byte> to) => GetCommitmentsByNumberResponseCodec.Encode(value.AsSpan(), to),
            (in GetCommitmentsByNumberResponseView value) => Same(HashTreeRoot.Of(value), HashTreeRoot.Of(value.ToOwned()))),
        "GetHeadRequest" => Run<GetHeadRequest>(
            data, GetHeadRequestCodec.TryDecode, GetHeadRequestCodec.EncodedLength, GetHeadRequestCodec.Encode, HashTreeRoot.Of),
        "GetRawTxListRequest" => Run<GetRawTxListRequest>(
            data, GetRawTxListRequestCodec.TryDecode, GetRawTxListRequestCodec.EncodedLength, GetRawTxListRequestCodec.Encode, HashTreeRoot.Of),
        "GetRawTxListResponse" => Run(
            data,
            GetRawTxListResponseCodec.TryDecode,
            (in GetRawTxListResponseView value) => GetRawTxListResponseCodec.EncodedLength(value.TxList.Length),
            (in GetRawTxListResponseView value, Span<byte> to) => GetRawTxListResponseCodec.Encode(value.ToOwned(), to),
            (in GetRawTxListResponseView value) => Same(HashTreeRoot.Of(value), HashTreeRoot.Of(value.ToOwned()))),
        "PreconfCommitment" => Run<PreconfCommitment>(
            data, PreconfCommitmentCodec.TryDecode, PreconfCommitmentCodec.EncodedLength, PreconfCommitmentCodec.Encode, HashTreeRoot.Of),
        "PreconfHead" => Run<PreconfHead>(data, PreconfHeadCodec.TryDecode, PreconfHeadCodec.EncodedLength, PreconfHeadCodec.Encode, HashTreeRoot.Of),
        "Preconfirmation" => Run<Preconfirmation>(
            data, PreconfirmationCodec.TryDecode, PreconfirmationCodec.EncodedLength, PreconfirmationCodec.Encode, HashTreeRoot.Of),
        "RawTxListGossip" => Run(
            data,
            RawTxListGossipCodec.TryDecode,
            (in RawTxListGossipView value) => RawTxListGossipCodec.EncodedLength(value.TxList.Length),
            (in RawTxListGossipView value, Span<byte> to) => RawTxListGossipCodec.Encode(value.ToOwned(), to),
            (in RawTxListGossipView value) => Same(HashTreeRoot.Of(value), HashTreeRoot.Of(value.ToOwned()))),
        "SignedCommitment" => Run<SignedCommitment>(
            data, SignedCommitmentCodec.TryDecode, SignedCommitmentCodec.EncodedLength, SignedCommitmentCodec.Encode, HashTreeRoot.Of),
        _ => throw new InvalidDataException($"unknown container {container}"),
    };

    private static Outcome Run<T>(ReadOnlySpan<byte> data, TryDecoder<T> decode, Measure<T> measure, Encoder<T> encode, Rooter<T> root)
        where T : allows ref struct
    {
        if (!decode(data, out T value, out SszError error))
        {
            Assert.NotEqual(SszErrorCode.None, error.Code);
            return new Outcome(error, [], default, 0);
        }

        Assert.Equal(SszErrorCode.None, error.Code);
        int length = measure(in value);
        byte[] encoded = new byte[length];
        Assert.Equal(length, encode(in value, encoded));
        return new Outcome(error, encoded, root(in value), length);
    }

    private static Bytes32 Same(in Bytes32 left, in Bytes32 right)
    {
        Assert.Equal(left, right);
        return left;
    }
}
