using CsCheck;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Ssz;

/// <summary>What holds for every value and for any bytes; single cases are held to the vectors by the parity tests.</summary>
public sealed class CodecProperties
{
    private delegate bool Decoder(ReadOnlySpan<byte> data, out byte[]? again, out SszError error);

    private static readonly (string Name, Decoder Decode)[] Decoders =
    [
        ("Preconfirmation", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = PreconfirmationCodec.TryDecode(d, out Preconfirmation v, out e);
            a = good ? Write(PreconfirmationCodec.EncodedLength(in v), s => PreconfirmationCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("PreconfCommitment", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = PreconfCommitmentCodec.TryDecode(d, out PreconfCommitment v, out e);
            a = good ? Write(PreconfCommitmentCodec.EncodedLength(in v), s => PreconfCommitmentCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("SignedCommitment", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = SignedCommitmentCodec.TryDecode(d, out SignedCommitment v, out e);
            a = good ? Write(SignedCommitmentCodec.EncodedLength(in v), s => SignedCommitmentCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("PreconfHead", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = PreconfHeadCodec.TryDecode(d, out PreconfHead v, out e);
            a = good ? Write(PreconfHeadCodec.EncodedLength(in v), s => PreconfHeadCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("GetHeadRequest", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = GetHeadRequestCodec.TryDecode(d, out GetHeadRequest v, out e);
            a = good ? Write(GetHeadRequestCodec.EncodedLength(in v), s => GetHeadRequestCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("GetCommitmentsByNumberRequest", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = GetCommitmentsByNumberRequestCodec.TryDecode(d, out GetCommitmentsByNumberRequest v, out e);
            a = good ? Write(GetCommitmentsByNumberRequestCodec.EncodedLength(in v), s => GetCommitmentsByNumberRequestCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("GetRawTxListRequest", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = GetRawTxListRequestCodec.TryDecode(d, out GetRawTxListRequest v, out e);
            a = good ? Write(GetRawTxListRequestCodec.EncodedLength(in v), s => GetRawTxListRequestCodec.Encode(in v, s)) : null;
            return good;
        }),
        ("RawTxListGossip", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = RawTxListGossipCodec.TryDecode(d, out RawTxListGossipView v, out e);
            RawTxListGossip? owned = good ? v.ToOwned() : null;
            a = owned is null ? null : Write(RawTxListGossipCodec.EncodedLength(owned), s => RawTxListGossipCodec.Encode(owned, s));
            return good;
        }),
        ("GetRawTxListResponse", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = GetRawTxListResponseCodec.TryDecode(d, out GetRawTxListResponseView v, out e);
            GetRawTxListResponse? owned = good ? v.ToOwned() : null;
            a = owned is null ? null : Write(GetRawTxListResponseCodec.EncodedLength(owned), s => GetRawTxListResponseCodec.Encode(owned, s));
            return good;
        }),
        ("GetCommitmentsByNumberResponse", (ReadOnlySpan<byte> d, out byte[]? a, out SszError e) =>
        {
            bool good = GetCommitmentsByNumberResponseCodec.TryDecode(d, out GetCommitmentsByNumberResponseView v, out e);
            GetCommitmentsByNumberResponse? owned = good ? v.ToOwned() : null;
            a = owned is null ? null : Write(GetCommitmentsByNumberResponseCodec.EncodedLength(owned), s => GetCommitmentsByNumberResponseCodec.Encode(owned, s));
            return good;
        }),
    ];

    private static readonly int[] Sizes = [0, 1, 4, 31, 32, 36, 63, 64, 65, 297, 317, 382, 383, 386, 768, 1150];

    public static TheoryData<int> Containers => [.. Enumerable.Range(0, 10)];

    [Theory]
    [MemberData(nameof(Containers))]
    public void WhatDecodesEncodesToTheSameBytesAndTheRestIsAnError(int index)
    {
        (string name, Decoder decode) = Decoders[index];
        Gen<byte[]> bytes = Gen.OneOf(
            Gen.Int[0, Sizes.Length - 1].Select(i => Sizes[i]).SelectMany(size => Gen.Byte.Array[size]),
            Gen.Byte.Array[0, 1200],
            Gen.Select(Gen.Bool.Select(small => small ? 4 : 36), Gen.Int[0, 3], (offset, n) => Offsetted(offset, n)));
        bytes.Sample(
            data =>
            {
                bool good = decode(data, out byte[]? again, out SszError error);
                if (good)
                {
                    Assert.Equal(data, again);
                }
                else
                {
                    Assert.NotEqual(default, error);
                    Assert.Contains(name, error.ToString(), StringComparison.Ordinal);
                }
            },
            iter: 3000);
    }

    [Fact]
    public void FixedContainersDecodeEncodeAndHashWithoutAllocation()
    {
        byte[] data = new byte[SignedCommitmentCodec.Size];
        byte[] destination = new byte[SignedCommitmentCodec.Size];
        Random.Shared.NextBytes(data);
        data[0] = 1;
        SignedCommitmentCodec.TryDecode(data, out _, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool good = true;
        for (int i = 0; i < 1000; i++)
        {
            good &= SignedCommitmentCodec.TryDecode(data, out SignedCommitment commitment, out _);
            SignedCommitmentCodec.Encode(in commitment, destination);
            good &= PreconfHeadCodec.TryDecode(data.AsSpan(0, PreconfHeadCodec.Size), out _, out _);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(good);
        Assert.Equal(data, destination);
    }

    [Fact]
    public void ATxListIsAViewOfItsMessage()
    {
        byte[] message = new byte[RawTxListGossipCodec.EncodedLength(100)];
        Bytes32 hash = default;
        RawTxListGossipCodec.Encode(in hash, new byte[100], message);
        Assert.True(RawTxListGossipCodec.TryDecode(message, out RawTxListGossipView view, out _));
        Assert.True(message.AsSpan(^100..) == view.TxList);
    }

    private static byte[] Offsetted(int offset, int elements)
    {
        byte[] data = new byte[offset + (elements * SignedCommitmentCodec.Size)];
        Random.Shared.NextBytes(data);
        BitConverter.TryWriteBytes(data.AsSpan(offset - 4), offset);
        for (int i = 0; i < elements; i++)
        {
            data[offset + (i * SignedCommitmentCodec.Size)] &= 1;
        }

        return data;
    }

    private static byte[] Write(int length, Func<byte[], int> encode)
    {
        byte[] destination = new byte[length];
        Assert.Equal(length, encode(destination));
        return destination;
    }
}
