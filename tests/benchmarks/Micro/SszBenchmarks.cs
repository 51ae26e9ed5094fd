using BenchmarkDotNet.Attributes;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Micro;

/// <summary>SSZ of the containers without a txlist. What is decoded goes to a field, so that none of the work is left out.</summary>
public class SszBenchmarks
{
    private readonly byte[] _buffer = new byte[SignedCommitmentCodec.Size];
    private readonly byte[] _preconfirmation = new byte[PreconfirmationCodec.Size];
    private readonly byte[] _unsigned = new byte[PreconfCommitmentCodec.Size];
    private readonly byte[] _signed = new byte[SignedCommitmentCodec.Size];
    private readonly byte[] _head = new byte[PreconfHeadCodec.Size];
    private readonly byte[] _headRequest = new byte[GetHeadRequestCodec.EncodedSize];
    private readonly byte[] _pageRequest = new byte[GetCommitmentsByNumberRequestCodec.Size];
    private readonly byte[] _txListRequest = new byte[GetRawTxListRequestCodec.Size];
    private byte[] _page = [];
    private byte[] _pageBuffer = [];

    private SignedCommitment[] _commitments = [];
    private SignedCommitment _signedCommitment;
    private PreconfCommitment _commitment;
    private Preconfirmation _preconf;
    private PreconfHead _preconfHead = new(1, 2);
    private GetHeadRequest _getHead;
    private GetCommitmentsByNumberRequest _getPage = new(1, PreconfLimits.MaxCommitmentsPerResponse);
    private GetRawTxListRequest _getTxList;

    [GlobalSetup]
    public void Setup()
    {
        _commitments = NodePair.Sign(PreconfLimits.MaxCommitmentsPerResponse);
        _signedCommitment = _commitments[0];
        _commitment = _signedCommitment.Commitment;
        _preconf = _commitment.Preconf;
        PreconfirmationCodec.Encode(in _preconf, _preconfirmation);
        PreconfCommitmentCodec.Encode(in _commitment, _unsigned);
        SignedCommitmentCodec.Encode(in _signedCommitment, _signed);
        PreconfHeadCodec.Encode(in _preconfHead, _head);
        GetHeadRequestCodec.Encode(_headRequest);
        GetCommitmentsByNumberRequestCodec.Encode(in _getPage, _pageRequest);
        GetRawTxListRequestCodec.Encode(in _getTxList, _txListRequest);
        _page = new byte[GetCommitmentsByNumberResponseCodec.EncodedLength(_commitments.Length)];
        _pageBuffer = new byte[_page.Length];
        GetCommitmentsByNumberResponseCodec.Encode(_commitments, _page);
    }

    [Benchmark(Description = "decode SignedCommitment")]
    public bool DecodeSignedCommitment() => SignedCommitmentCodec.TryDecode(_signed, out _signedCommitment, out _);

    [Benchmark(Description = "encode SignedCommitment")]
    public int EncodeSignedCommitment() => SignedCommitmentCodec.Encode(in _signedCommitment, _buffer);

    [Benchmark(Description = "decode PreconfCommitment")]
    public bool DecodePreconfCommitment() => PreconfCommitmentCodec.TryDecode(_unsigned, out _commitment, out _);

    [Benchmark(Description = "encode PreconfCommitment")]
    public int EncodePreconfCommitment() => PreconfCommitmentCodec.Encode(in _commitment, _buffer);

    [Benchmark(Description = "decode Preconfirmation")]
    public bool DecodePreconfirmation() => PreconfirmationCodec.TryDecode(_preconfirmation, out _preconf, out _);

    [Benchmark(Description = "encode Preconfirmation")]
    public int EncodePreconfirmation() => PreconfirmationCodec.Encode(in _preconf, _buffer);

    [Benchmark(Description = "decode PreconfHead")]
    public bool DecodeHead() => PreconfHeadCodec.TryDecode(_head, out _preconfHead, out _);

    [Benchmark(Description = "encode PreconfHead")]
    public int EncodeHead() => PreconfHeadCodec.Encode(in _preconfHead, _buffer);

    [Benchmark(Description = "decode GetHeadRequest")]
    public bool DecodeHeadRequest() => GetHeadRequestCodec.TryDecode(_headRequest, out _getHead, out _);

    [Benchmark(Description = "encode GetHeadRequest")]
    public int EncodeHeadRequest() => GetHeadRequestCodec.Encode(in _getHead, _buffer);

    [Benchmark(Description = "decode GetCommitmentsByNumberRequest")]
    public bool DecodeCommitmentsRequest() => GetCommitmentsByNumberRequestCodec.TryDecode(_pageRequest, out _getPage, out _);

    [Benchmark(Description = "encode GetCommitmentsByNumberRequest")]
    public int EncodeCommitmentsRequest() => GetCommitmentsByNumberRequestCodec.Encode(in _getPage, _buffer);

    /// <summary>In place: checks the bytes, copies none.</summary>
    [Benchmark(Description = "decode GetCommitmentsByNumberResponse of 256")]
    public int DecodeCommitmentsResponse() => GetCommitmentsByNumberResponseCodec.TryDecode(_page, out GetCommitmentsByNumberResponseView view, out _) ? view.Count : 0;

    /// <summary>Into commitments of its own.</summary>
    [Benchmark(Description = "decode and copy GetCommitmentsByNumberResponse")]
    public GetCommitmentsByNumberResponse CopyCommitmentsResponse() => GetCommitmentsByNumberResponseCodec.Decode(_page);

    [Benchmark(Description = "encode GetCommitmentsByNumberResponse of 256")]
    public int EncodeCommitmentsResponse() => GetCommitmentsByNumberResponseCodec.Encode(_commitments, _pageBuffer);

    [Benchmark(Description = "decode GetRawTxListRequest")]
    public bool DecodeTxListRequest() => GetRawTxListRequestCodec.TryDecode(_txListRequest, out _getTxList, out _);

    [Benchmark(Description = "encode GetRawTxListRequest")]
    public int EncodeTxListRequest() => GetRawTxListRequestCodec.Encode(in _getTxList, _buffer);
}

/// <summary>SSZ of the containers with a txlist: encoding is one copy, decoding in place none.</summary>
public class TxListBenchmarks
{
    private byte[] _txList = [];
    private byte[] _message = [];
    private byte[] _buffer = [];
    private Bytes32 _hash;

    [Params(128 << 10, 2 << 20)]
    public int Length { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        RawTxListGossip list = NodePair.MakeTxLists(1, Length)[0];
        _txList = list.TxList.ToArray();
        _hash = list.RawTxListHash;
        _message = new byte[RawTxListGossipCodec.EncodedLength(Length)];
        _buffer = new byte[_message.Length];
        RawTxListGossipCodec.Encode(in _hash, _txList, _message);
    }

    [Benchmark(Description = "decode RawTxListGossip")]
    public int DecodeGossip() => RawTxListGossipCodec.TryDecode(_message, out RawTxListGossipView view, out _) ? view.TxList.Length : 0;

    [Benchmark(Description = "encode RawTxListGossip")]
    public int EncodeGossip() => RawTxListGossipCodec.Encode(in _hash, _txList, _buffer);

    [Benchmark(Description = "decode GetRawTxListResponse")]
    public int DecodeResponse() => GetRawTxListResponseCodec.TryDecode(_message, out GetRawTxListResponseView view, out _) ? view.TxList.Length : 0;

    [Benchmark(Description = "encode GetRawTxListResponse")]
    public int EncodeResponse() => GetRawTxListResponseCodec.Encode(in _hash, _txList, _buffer);
}
