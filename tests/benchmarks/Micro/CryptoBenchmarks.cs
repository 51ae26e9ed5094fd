using BenchmarkDotNet.Attributes;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Micro;

/// <summary>
/// Signing and recovery. The baseline is libsecp256k1 alone: the hash is there already and nothing else is done but the call.
/// </summary>
[MemoryDiagnoser]
public class CryptoBenchmarks
{
    private readonly PreconfSigner _signer = PreconfSigner.Generate();
    private readonly byte[] _secret = new byte[32];
    private Bytes32 _domain = PreconfSigning.DefaultDomain;
    private SignedCommitment _commitment;
    private Bytes32 _hash;

    [GlobalSetup]
    public void Setup()
    {
        Secp256k1.NewSecret(_secret);
        _commitment = NodePair.Sign(1)[0];
        _hash = PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);
    }

    [GlobalCleanup]
    public void Cleanup() => _signer.Dispose();

    [Benchmark]
    public Bytes32 SigningHash() => PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);

    [Benchmark]
    public Signature SignAlone() => Secp256k1.Sign(in _hash, _secret);

    [Benchmark]
    public SignedCommitment SignCommitment() => _signer.Sign(in _domain, in _commitment.Commitment);

    [Benchmark]
    public bool RecoverAlone() => PreconfSigning.TryRecover(in _hash, in _commitment.Signature, out _);

    [Benchmark]
    public bool RecoverCommitment()
    {
        Bytes32 hash = PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);
        return PreconfSigning.TryRecover(in hash, in _commitment.Signature, out _);
    }
}

/// <summary>keccak-256.</summary>
[MemoryDiagnoser]
public class KeccakBenchmarks
{
    private byte[] _data = [];

    [Params(350, 128 << 10, 2 << 20)]
    public int Length { get; set; }

    [GlobalSetup]
    public void Setup() => _data = new byte[Length];

    [Benchmark]
    public Bytes32 Keccak() => Keccak256.Hash(_data);
}
