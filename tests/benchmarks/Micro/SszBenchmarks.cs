using BenchmarkDotNet.Attributes;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Micro;

/// <summary>SSZ of the containers, decoded and encoded in place.</summary>
[MemoryDiagnoser]
public class SszBenchmarks
{
    private readonly byte[] _signed = new byte[SignedCommitmentCodec.Size];
    private readonly byte[] _head = new byte[PreconfHeadCodec.Size];
    private readonly byte[] _request = new byte[GetCommitmentsByNumberRequestCodec.Size];
    private SignedCommitment _commitment;
    private PreconfHead _preconfHead = new(1, 2);
    private GetCommitmentsByNumberRequest _wanted = new(1, 256);
    private byte[] _page = [];

    [GlobalSetup]
    public void Setup()
    {
        SignedCommitment[] page = NodePair.Sign(256);
        _commitment = page[0];
        SignedCommitmentCodec.Encode(in _commitment, _signed);
        PreconfHeadCodec.Encode(in _preconfHead, _head);
        GetCommitmentsByNumberRequestCodec.Encode(in _wanted, _request);
        _page = new byte[GetCommitmentsByNumberResponseCodec.EncodedLength(page.Length)];
        GetCommitmentsByNumberResponseCodec.Encode(page, _page);
    }

    [Benchmark]
    public bool DecodeSignedCommitment() => SignedCommitmentCodec.TryDecode(_signed, out _, out _);

    [Benchmark]
    public void EncodeSignedCommitment() => SignedCommitmentCodec.Encode(in _commitment, _signed);

    [Benchmark]
    public bool DecodePreconfirmation() => PreconfirmationCodec.TryDecode(_signed.AsSpan(0, PreconfirmationCodec.Size), out _, out _);

    [Benchmark]
    public bool DecodePreconfCommitment() => PreconfCommitmentCodec.TryDecode(_signed.AsSpan(0, PreconfCommitmentCodec.Size), out _, out _);

    [Benchmark]
    public bool DecodeHead() => PreconfHeadCodec.TryDecode(_head, out _, out _);

    [Benchmark]
    public void EncodeHead() => PreconfHeadCodec.Encode(in _preconfHead, _head);

    [Benchmark]
    public bool DecodeCommitmentsRequest() => GetCommitmentsByNumberRequestCodec.TryDecode(_request, out _, out _);

    [Benchmark]
    public bool Decode256Commitments() => GetCommitmentsByNumberResponseCodec.TryDecode(_page, out _, out _);
}

/// <summary>Txlist messages: encoding is one copy, decoding none.</summary>
[MemoryDiagnoser]
public class TxListBenchmarks
{
    private byte[] _txList = [];
    private byte[] _message = [];
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
        RawTxListGossipCodec.Encode(in _hash, _txList, _message);
    }

    [Benchmark]
    public int EncodeTxList() => RawTxListGossipCodec.Encode(in _hash, _txList, _message);

    [Benchmark]
    public bool DecodeTxList() => RawTxListGossipCodec.TryDecode(_message, out _, out _);
}
