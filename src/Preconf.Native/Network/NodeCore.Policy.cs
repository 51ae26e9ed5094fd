using Preconf.Native.Crypto;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>The rules every commitment goes through, whoever brought it.</summary>
internal sealed partial class NodeCore
{
    private readonly Lock _headGate = new();
    private PreconfHead? _hostHead;
    private bool _hostSetHead;

    /// <summary>Whether <see cref="ServedHead"/> never waits for a store.</summary>
    public bool IsHeadAtHand => Volatile.Read(ref _hostSetHead) || Store.IsHeadInMemory;

    /// <summary>The head served: what the host set last; while it set none, the highest commitment held (protocol, section 5).</summary>
    public PreconfHead ServedHead
    {
        get
        {
            lock (_headGate)
            {
                if (_hostHead is { } set)
                {
                    return set;
                }
            }

            return Store.TryGetHead(out PreconfHead highest) ? highest : default;
        }

        set
        {
            lock (_headGate)
            {
                _hostHead = value;
                Volatile.Write(ref _hostSetHead, true);
            }
        }
    }

    /// <summary>Recovers a commitment's signer and asks the validator.</summary>
    /// <param name="commitment">The commitment.</param>
    /// <param name="ssz">Its SSZ, 382 bytes.</param>
    /// <param name="signer">Who signed; zero when it does not recover.</param>
    public ValidationOutcome Judge(in SignedCommitment commitment, ReadOnlySpan<byte> ssz, out Address signer)
    {
        Bytes32 domain = Config.Domain;
        Bytes32 hash = PreconfSigning.SigningHash(in domain, ssz[..PreconfCommitmentCodec.Size]);
        Signature signature = commitment.Signature;
        bool recovered = PreconfSigning.TryRecover(in hash, in signature, out signer);
        return Validator.ValidateCommitment(new CommitmentContext(in commitment, signer, recovered, recovered && Secp256k1.IsLowS(in signature)));
    }
}
