using System.Text;
using Preconf.Native.Crypto;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>crypto.json: hashes, keys, signatures and what recovers from odd ones.</summary>
public class CryptoTests
{
    private const string File = "crypto.json";

    /// <summary>The group's order.</summary>
    private static readonly UInt256 Order = UInt256.Parse("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

    [Fact]
    public void Sections_AreThoseTested() =>
        Vectors.AssertSections(File, "keccak256", "odd_signatures", "private_keys", "rules", "sign_and_recover");

    [Fact]
    public void Keccak256_HashesAsTheReference() => Vectors.CheckAll(Vectors.Data(File)["keccak256"], test =>
    {
        byte[] input = test.BytesOrRule("input");
        if (test.Optional("ascii") is { } ascii)
        {
            Assert.Equal(Encoding.ASCII.GetBytes(ascii.Text), input);
        }

        Bytes32 expected = test["keccak256"].Bytes32;
        Assert.Equal(expected, Keccak256.Hash(input));
        int half = input.Length / 2;
        Assert.Equal(expected, Keccak256.Hash(input.AsSpan(0, half), input.AsSpan(half)));
    });

    [Fact]
    public void PrivateKeys_AreTakenAndRefusedAsByTheReference() => Vectors.CheckAll(Vectors.Data(File)["private_keys"], test =>
    {
        _ = test["name"].Text;
        byte[] secret = test["private_key"].Bytes;
        bool accepted = Accepted(test);
        Assert.Equal(accepted, Secp256k1.IsValidSecret(secret));
        if (accepted)
        {
            using PreconfSigner signer = new(secret);
            Assert.Equal(Secp256k1.AddressOfSecret(secret), signer.Address);
        }
        else
        {
            Assert.Equal(PreconfCryptoFault.InvalidSecret, Assert.Throws<PreconfCryptoException>(() => new PreconfSigner(secret)).Fault);
        }
    });

    [Fact]
    public void Rules_AreThose()
    {
        VectorNode rules = Vectors.Data(File)["rules"];
        Assert.Equal(PreconfSigning.DefaultDomain, rules["default_domain"].Bytes32);
        Assert.Equal("last 20 bytes of keccak256(uncompressed public key without 0x04)", rules["address"].Text);
        Assert.Equal("keccak256(ssz(Preconfirmation)), no domain", rules["preconfirmation_hash"].Text);
        Assert.Equal("keccak256(domain32 || ssz(PreconfCommitment))", rules["signing_hash"].Text);
        Assert.StartsWith("65 bytes r(32 BE)||s(32 BE)||v(1) with v the recovery id 0..=3", rules["signature"].Text, StringComparison.Ordinal);
        Vectors.AssertAllRead(rules);
    }

    [Fact]
    public void Commitments_SignAndRecoverAsInTheReference() => Vectors.CheckAll(Vectors.Data(File)["sign_and_recover"], test =>
    {
        _ = test["name"].Text;
        _ = test["domain_name"].Text;
        Bytes32 domain = test["domain"].Bytes32;
        PreconfCommitment commitment = ValueReader.Commitment(test["commitment"]);
        byte[] ssz = test["commitment_ssz"].Bytes;
        Assert.Equal(commitment, PreconfCommitmentCodec.Decode(ssz));
        Assert.Equal(test["signing_preimage_len"].Number, (ulong)(Bytes32.Size + ssz.Length));
        Bytes32 hash = test["signing_hash"].Bytes32;
        Assert.Equal(hash, PreconfSigning.SigningHash(in domain, in commitment));
        Assert.Equal(hash, PreconfSigning.SigningHash(in domain, ssz));
        Bytes32 preconfirmationHash = test["preconfirmation_hash"].Bytes32;
        Assert.Equal(preconfirmationHash, PreconfSigning.PreconfirmationHash(in commitment.Preconf));
        Assert.Equal(preconfirmationHash, PreconfSigning.PreconfirmationHash(ssz.AsSpan(0, PreconfirmationCodec.Size)));
        CheckKey(test);

        using PreconfSigner signer = new(test["private_key"].Bytes);
        SignedCommitment signed = signer.Sign(in domain, in commitment);
        Assert.Equal(test["signature"].Signature, signed.Signature);
        Assert.True(signed.Signature.IsLowS);
        Assert.Equal(test["recovered_with_domain"].Address, Recover(in hash, in signed.Signature));
        Assert.Equal(signer.Address, Recover(in hash, in signed.Signature));
        Bytes32 other = PreconfSigning.SigningHash(PreconfSigning.DefaultDomain, in commitment);
        CheckResult(test["recovered_with_default_domain"], Recover(in other, in signed.Signature));
    });

    [Fact]
    public void OddSignatures_RecoverAsInTheReference()
    {
        VectorNode cases = Vectors.Data(File)["odd_signatures"];
        Dictionary<string, Address> controls = cases.Items
            .Where(test => test["name"].Text.EndsWith(" control: untouched", StringComparison.Ordinal))
            .ToDictionary(test => Group(test), test => test["result"]["recovered"].Address);
        Assert.NotEmpty(controls);
        Vectors.CheckAll(cases, test => CheckOdd(test, controls));
    }

    [Fact]
    public void RecoverBatch_GivesWhatSingleCallsGive()
    {
        IReadOnlyList<VectorNode> cases = Vectors.Data(File)["odd_signatures"].Items;
        Bytes32[] hashes = [.. cases.Select(test => test["signing_hash"].Bytes32)];
        Signature[] signatures = [.. cases.Select(test => test["signature"].Signature)];
        Address[] signers = new Address[cases.Count];
        bool[] recovered = new bool[cases.Count];
        int count = PreconfSigning.RecoverBatch(hashes, signatures, signers, recovered);
        Assert.Equal(cases.Count(test => test["verdict"].Text == "accept"), count);
        for (int i = 0; i < cases.Count; i++)
        {
            bool one = PreconfSigning.TryRecover(in hashes[i], in signatures[i], out Address signer);
            Assert.Equal((one, signer), (recovered[i], signers[i]));
        }
    }

    private static string Group(VectorNode test) => test["name"].Text.Split(' ')[0];

    private static void CheckOdd(VectorNode test, Dictionary<string, Address> controls)
    {
        _ = test["note"].Text;
        Bytes32 domain = test["domain"].Bytes32;
        Bytes32 hash = test["signing_hash"].Bytes32;
        Assert.Equal(hash, PreconfSigning.SigningHash(in domain, test["commitment_ssz"].Bytes));
        Signature signature = test["signature"].Signature;
        Address? recovered = Recover(in hash, in signature);
        Assert.Equal(Accepted(test), recovered is not null);
        CheckResult(test["result"], recovered);
        if (test["result"].Optional("error_kind") is { } kind)
        {
            // By format: v over 3, or r or s not below the order. By recovery: all the others.
            bool format = signature.V > PreconfLimits.MaxRecoveryId || Number(signature.R) >= Order || Number(signature.S) >= Order;
            Assert.Equal(format ? "SignatureFormat" : "Recover", kind.Text);
        }

        VectorNode same = test["same_signer_as_original"];
        bool? expected = same.IsNull ? null : same.Flag;
        Assert.Equal(recovered is not null, expected is not null);
        bool isOriginal = controls.TryGetValue(Group(test), out Address original) && recovered == original;
        Assert.Equal(expected ?? false, isOriginal);
    }

    private static UInt256 Number(in Bytes32 bigEndian) => UInt256.Parse(bigEndian.ToString());

    private static void CheckKey(VectorNode test)
    {
        byte[] secret = test["private_key"].Bytes;
        byte[] whole = new byte[Secp256k1.PublicKeySize];
        Secp256k1.PublicKey(secret, whole);
        Assert.Equal(test["public_key_uncompressed"].Bytes, whole);
        byte[] compressed = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.CompressedPublicKey(secret, compressed);
        Assert.Equal(test["public_key_compressed"].Bytes, compressed);
        Address address = test["address"].Address;
        Assert.Equal(address, Secp256k1.AddressOfSecret(secret));
        Assert.Equal(address, Secp256k1.AddressOfPublicKey(whole));
        Bytes32 hash = test["signing_hash"].Bytes32;
        byte[] parts = test["signature"].Bytes[..Secp256k1.CompactSignatureSize];
        Assert.True(Secp256k1.Verify(in hash, parts, whole));
        Assert.True(Secp256k1.Verify(in hash, parts, compressed));
        Assert.False(Secp256k1.Verify(PreconfSigning.DefaultDomain, parts, compressed));
    }

    private static void CheckResult(VectorNode result, Address? recovered)
    {
        if (recovered is { } signer)
        {
            Assert.Equal(result["recovered"].Address, signer);
        }
        else
        {
            Assert.NotEmpty(result["error"].Text);
            Assert.Contains(result["error_kind"].Text, new[] { "Recover", "SignatureFormat" });
        }
    }

    private static Address? Recover(in Bytes32 hash, in Signature signature) =>
        PreconfSigning.TryRecover(in hash, in signature, out Address signer) ? signer : null;

    private static bool Accepted(VectorNode test) => test["verdict"].Text switch
    {
        "accept" => true,
        "reject" => false,
        string other => throw new InvalidDataException($"unknown verdict {other}"),
    };
}
