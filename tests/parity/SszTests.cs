using Preconf.Native.Crypto;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>ssz.json: values, encodings and roots.</summary>
public class SszTests
{
    private const string File = "ssz.json";

    public static TheoryData<string> Sections => [.. Containers.Names];

    [Fact]
    public void Sections_AreThoseTested() => Vectors.AssertSections(File, Containers.Names);

    [Theory]
    [MemberData(nameof(Sections))]
    public void Container_EncodesDecodesAndHashesAsTheReference(string container) =>
        Vectors.CheckAll(Vectors.Data(File)[container], test => Check(container, test));

    private static void Check(string container, VectorNode test)
    {
        _ = test["name"].Text;
        byte[] encoded = Encode(container, test);
        Assert.Equal(test["encoding_len"].Number, (ulong)encoded.Length);
        if (test.Optional("encoding") is { } whole)
        {
            Assert.Equal(whole.Bytes, encoded);
        }
        else
        {
            Assert.Equal(test["encoding_first_40"].Bytes, encoded[..40]);
            Assert.Equal(test["encoding_keccak"].Bytes32, Keccak256.Hash(encoded));
        }

        Containers.Outcome decoded = Containers.Decode(container, encoded);
        Assert.Equal(SszErrorCode.None, decoded.Error.Code);
        Assert.Equal(encoded, decoded.Encoded);
        Assert.Equal(test["hash_tree_root"].Bytes32, decoded.Root);
    }

    /// <summary>Encodes the value as written in the file; checks that decoding gives just that value.</summary>
    private static byte[] Encode(string container, VectorNode test)
    {
        VectorNode value = test["value"];
        switch (container)
        {
            case "Preconfirmation":
                return Fixed(ValueReader.Preconfirmation(value), PreconfirmationCodec.Size, PreconfirmationCodec.Encode, PreconfirmationCodec.Decode);
            case "PreconfCommitment":
                return Fixed(ValueReader.Commitment(value), PreconfCommitmentCodec.Size, PreconfCommitmentCodec.Encode, PreconfCommitmentCodec.Decode);
            case "SignedCommitment":
                return Fixed(ValueReader.Signed(value), SignedCommitmentCodec.Size, SignedCommitmentCodec.Encode, SignedCommitmentCodec.Decode);
            case "PreconfHead":
                PreconfHead head = new(value["block_number"].UInt256, value["submission_window_end"].UInt256);
                return Fixed(head, PreconfHeadCodec.Size, PreconfHeadCodec.Encode, PreconfHeadCodec.Decode);
            case "GetHeadRequest":
                Assert.Empty(value["reserved"].Bytes);
                return Fixed(new GetHeadRequest(), GetHeadRequestCodec.EncodedSize, GetHeadRequestCodec.Encode, GetHeadRequestCodec.Decode);
            case "GetCommitmentsByNumberRequest":
                GetCommitmentsByNumberRequest wanted = new(value["start_block_number"].UInt256, checked((uint)value["max_count"].Number));
                return Fixed(
                    wanted, GetCommitmentsByNumberRequestCodec.Size, GetCommitmentsByNumberRequestCodec.Encode, GetCommitmentsByNumberRequestCodec.Decode);
            case "GetRawTxListRequest":
                GetRawTxListRequest named = new(value["raw_tx_list_hash"].Bytes32);
                return Fixed(named, GetRawTxListRequestCodec.Size, GetRawTxListRequestCodec.Encode, GetRawTxListRequestCodec.Decode);
            case "GetCommitmentsByNumberResponse":
                return Commitments(test, value);
            case "GetRawTxListResponse":
                return TxListResponse(value);
            case "RawTxListGossip":
                return TxListGossip(value);
            default:
                throw new InvalidDataException($"unknown container {container}");
        }
    }

    private delegate int Encoder<T>(in T value, Span<byte> destination);

    private delegate T Decoder<T>(ReadOnlySpan<byte> data);

    private static byte[] Fixed<T>(T value, int size, Encoder<T> encode, Decoder<T> decode)
    {
        byte[] encoded = new byte[size];
        Assert.Equal(size, encode(in value, encoded));
        Assert.Equal(value, decode(encoded));
        return encoded;
    }

    private static byte[] Commitments(VectorNode test, VectorNode value)
    {
        SignedCommitment[] commitments = ReadCommitments(test, value);
        Assert.Equal(value["count"].Number, (ulong)commitments.Length);
        GetCommitmentsByNumberResponse response = new(commitments);
        byte[] encoded = new byte[GetCommitmentsByNumberResponseCodec.EncodedLength(response)];
        Assert.Equal(encoded.Length, GetCommitmentsByNumberResponseCodec.Encode(response, encoded));
        Assert.Equal(commitments, GetCommitmentsByNumberResponseCodec.Decode(encoded).Commitments);
        return encoded;
    }

    private static SignedCommitment[] ReadCommitments(VectorNode test, VectorNode value)
    {
        if (value.Optional("commitments") is { } written)
        {
            return [.. written.Items.Select(ValueReader.Signed)];
        }

        if (value.Optional("commitments_rule") is { } rule)
        {
            return [.. VectorRules.MakeElements(rule, value["count"].Number).Select(bytes => SignedCommitmentCodec.Decode(bytes))];
        }

        Assert.Equal("elements: slice encoding[4+382*i ..][..382], each is a SignedCommitment", value["commitments_note"].Text);
        return [.. test["encoding"].Bytes[4..].Chunk(SignedCommitmentCodec.Size).Select(bytes => SignedCommitmentCodec.Decode(bytes))];
    }

    private static byte[] TxListResponse(VectorNode value)
    {
        GetRawTxListResponse response = new(value["raw_tx_list_hash"].Bytes32, value.BytesOrRule("txlist"));
        byte[] encoded = new byte[GetRawTxListResponseCodec.EncodedLength(response)];
        Assert.Equal(encoded.Length, GetRawTxListResponseCodec.Encode(response, encoded));
        GetRawTxListResponse decoded = GetRawTxListResponseCodec.Decode(encoded);
        Assert.Equal(response.RawTxListHash, decoded.RawTxListHash);
        Assert.True(response.TxList.Span.SequenceEqual(decoded.TxList.Span));
        return encoded;
    }

    private static byte[] TxListGossip(VectorNode value)
    {
        RawTxListGossip gossip = new(value["raw_tx_list_hash"].Bytes32, value.BytesOrRule("txlist"));
        byte[] encoded = new byte[RawTxListGossipCodec.EncodedLength(gossip)];
        Assert.Equal(encoded.Length, RawTxListGossipCodec.Encode(gossip, encoded));
        RawTxListGossip decoded = RawTxListGossipCodec.Decode(encoded);
        Assert.Equal(gossip.RawTxListHash, decoded.RawTxListHash);
        Assert.True(gossip.TxList.Span.SequenceEqual(decoded.TxList.Span));
        return encoded;
    }
}
