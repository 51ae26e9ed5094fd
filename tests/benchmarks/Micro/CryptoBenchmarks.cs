using BenchmarkDotNet.Attributes;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Micro;

/// <summary>
/// Signing and recovery through the ABI, beside libsecp256k1 alone in the plain-Rust program: there the hash is given and no address is made.
/// What is compared is measured before each iteration, and an iteration is one invocation of many operations.
/// </summary>
public class CryptoBenchmarks
{
    private const int Many = 4096;

    private readonly PreconfSigner _signer = PreconfSigner.Generate();
    private readonly byte[] _secret = new byte[32];
    private Bytes32 _domain = PreconfSigning.DefaultDomain;
    private SignedCommitment _commitment;
    private Bytes32 _hash;
    private Signature _made;

    [GlobalSetup]
    public void Setup()
    {
        Secp256k1.NewSecret(_secret);
        _commitment = NodePair.Sign(1)[0];
        _hash = PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);
    }

    [GlobalCleanup]
    public void Cleanup() => _signer.Dispose();

    [IterationSetup(Target = nameof(SignHash))]
    public void BesideSignHash() => Beside.Take(nameof(SignHash), "sign");

    [IterationSetup(Target = nameof(SignCommitment))]
    public void BesideSignCommitment() => Beside.Take(nameof(SignCommitment), "sign");

    [IterationSetup(Target = nameof(RecoverHash))]
    public void BesideRecoverHash() => Beside.Take(nameof(RecoverHash), "recover");

    [IterationSetup(Target = nameof(RecoverCommitment))]
    public void BesideRecoverCommitment() => Beside.Take(nameof(RecoverCommitment), "recover");

    [Benchmark(Description = "signing hash")]
    public Bytes32 SigningHash() => PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);

    [Benchmark(Description = "sign a hash", OperationsPerInvoke = Many)]
    public void SignHash()
    {
        for (int i = 0; i < Many; i++)
        {
            _made = Secp256k1.Sign(in _hash, _secret);
        }
    }

    [Benchmark(Description = "sign commitment, with hashing", OperationsPerInvoke = Many)]
    public void SignCommitment()
    {
        for (int i = 0; i < Many; i++)
        {
            _commitment = _signer.Sign(in _domain, in _commitment.Commitment);
        }
    }

    [Benchmark(Description = "recover a hash's signer", OperationsPerInvoke = Many)]
    public int RecoverHash()
    {
        int recovered = 0;
        for (int i = 0; i < Many; i++)
        {
            recovered += PreconfSigning.TryRecover(in _hash, in _commitment.Signature, out _) ? 1 : 0;
        }

        return All(recovered);
    }

    [Benchmark(Description = "recover commitment, with hashing", OperationsPerInvoke = Many)]
    public int RecoverCommitment()
    {
        int recovered = 0;
        for (int i = 0; i < Many; i++)
        {
            Bytes32 hash = PreconfSigning.SigningHash(in _domain, in _commitment.Commitment);
            recovered += PreconfSigning.TryRecover(in hash, in _commitment.Signature, out _) ? 1 : 0;
        }

        return All(recovered);
    }

    private static int All(int recovered) => recovered == Many ? recovered : throw new InvalidOperationException($"{recovered} of {Many} signatures recover");
}

/// <summary>keccak-256, beside the same crate in the plain-Rust program; an iteration is one invocation of many operations.</summary>
public class KeccakBenchmarks
{
    private const int Many = 65_536;
    private const int Some = 256;
    private const int Few = 16;

    private readonly byte[] _data = new byte[2 << 20];

    [IterationSetup(Target = nameof(Small))]
    public void BesideSmall() => Beside.Take(nameof(Small), "keccak350");

    [IterationSetup(Target = nameof(Medium))]
    public void BesideMedium() => Beside.Take(nameof(Medium), "keccak128k");

    [IterationSetup(Target = nameof(Large))]
    public void BesideLarge() => Beside.Take(nameof(Large), "keccak2m");

    [Benchmark(Description = "keccak, 350 B", OperationsPerInvoke = Many)]
    public Bytes32 Small() => Hash(350, Many);

    [Benchmark(Description = "keccak, 128 KiB", OperationsPerInvoke = Some)]
    public Bytes32 Medium() => Hash(128 << 10, Some);

    [Benchmark(Description = "keccak, 2 MiB", OperationsPerInvoke = Few)]
    public Bytes32 Large() => Hash(2 << 20, Few);

    private Bytes32 Hash(int length, int times)
    {
        Bytes32 hash = default;
        for (int i = 0; i < times; i++)
        {
            hash = Keccak256.Hash(_data.AsSpan(0, length));
        }

        return hash;
    }
}
