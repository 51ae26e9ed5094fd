using System.Formats.Asn1;
using System.Security.Cryptography;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>Project Wycheproof's ECDSA vectors on secp256k1 with SHA-256 (Apache-2.0, see the LICENSE beside them).</summary>
public class WycheproofTests
{
    private const string Folder = "public/wycheproof/";

    [Theory]
    [InlineData("ecdsa_secp256k1_sha256_bitcoin_test.json", "EcdsaBitcoinVerify")]
    [InlineData("ecdsa_secp256k1_sha256_p1363_test.json", "EcdsaP1363Verify")]
    public void Signatures_VerifyAsStated(string file, string type)
    {
        VectorNode root = Vectors.Load(Folder + file);
        int tests = 0;
        Vectors.CheckAll(root["testGroups"], group =>
        {
            byte[] key = Key(group, type);
            Vectors.CheckAll(group["tests"], test =>
            {
                CheckTest(test, key, type);
                tests++;
            });
        });
        Assert.Equal(root["numberOfTests"].Number, (ulong)tests);
        Assert.Equal("ECDSA", root["algorithm"].Text);
        root["schema"].Skip("the shape is held by reading every field");
        root["header"].Skip("prose");
        root["notes"].Skip("prose about the flags");
        Vectors.AssertAllRead(root);
    }

    private static byte[] Key(VectorNode group, string type)
    {
        Assert.Equal(type, group["type"].Text);
        Assert.Equal("SHA-256", group["sha"].Text);
        group["source"].Skip("where the group comes from");
        group["publicKeyDer"].Skip("the same key in another encoding");
        group["publicKeyPem"].Skip("the same key in another encoding");
        group.Optional("publicKeyJwk")?.Skip("the same key in another encoding");
        VectorNode key = group["publicKey"];
        Assert.Equal("EcPublicKey", key["type"].Text);
        Assert.Equal("secp256k1", key["curve"].Text);
        Assert.Equal(256UL, key["keySize"].Number);
        byte[] whole = Convert.FromHexString(key["uncompressed"].Text);
        Assert.Equal(UInt256.Parse("0x" + key["wx"].Text), UInt256.Parse("0x" + Convert.ToHexString(whole.AsSpan(1, 32))));
        Assert.Equal(UInt256.Parse("0x" + key["wy"].Text), UInt256.Parse("0x" + Convert.ToHexString(whole.AsSpan(33, 32))));
        return whole;
    }

    private static void CheckTest(VectorNode test, byte[] key, string type)
    {
        _ = test["tcId"].Number;
        _ = test["comment"].Text;
        foreach (VectorNode flag in test["flags"].Items)
        {
            _ = flag.Text;
        }

        bool expected = test["result"].Text switch
        {
            "valid" => true,
            "invalid" => false,
            string other => throw new InvalidDataException($"unknown result {other}"),
        };
        Bytes32 hash = new(SHA256.HashData(Convert.FromHexString(test["msg"].Text)));
        byte[] encoded = Convert.FromHexString(test["sig"].Text);
        byte[]? parts = type == "EcdsaBitcoinVerify" ? FromDer(encoded) : encoded;
        Assert.Equal(expected, parts is not null && Verify(in hash, parts, key, lowOnly: type == "EcdsaBitcoinVerify"));
        if (expected)
        {
            CheckRecovery(in hash, parts!, key);
        }
    }

    private static bool Verify(in Bytes32 hash, byte[] parts, byte[] key, bool lowOnly)
    {
        if (parts.Length != Secp256k1.CompactSignatureSize)
        {
            Bytes32 copy = hash;
            Assert.Throws<ArgumentException>(() => Secp256k1.Verify(in copy, parts, key));
            return false;
        }

        byte[] compressed = [(byte)(2 + (key[^1] & 1)), .. key.AsSpan(1, 32)];
        bool verified = Secp256k1.Verify(in hash, parts, key);
        Assert.Equal(verified, Secp256k1.Verify(in hash, parts, compressed));
        return verified && (!lowOnly || new Signature([.. parts, 0]).IsLowS);
    }

    /// <summary>A signature that verifies recovers to its key's address under one recovery id at least.</summary>
    private static void CheckRecovery(in Bytes32 hash, byte[] parts, byte[] key)
    {
        Address expected = Secp256k1.AddressOfPublicKey(key);
        bool found = false;
        for (byte id = 0; id <= PreconfLimits.MaxRecoveryId; id++)
        {
            Signature signature = new([.. parts, id]);
            found |= PreconfSigning.TryRecover(in hash, in signature, out Address signer) && signer == expected;
        }

        Assert.True(found, "no recovery id gives the key");
    }

    /// <summary>Strict DER, as Bitcoin demands it; the product itself carries signatures as r ‖ s only.</summary>
    private static byte[]? FromDer(byte[] encoded)
    {
        try
        {
            AsnReader reader = new(encoded, AsnEncodingRules.DER);
            AsnReader sequence = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            byte[] parts = new byte[Secp256k1.CompactSignatureSize];
            bool whole = TryTake(sequence, parts.AsSpan(0, 32)) & TryTake(sequence, parts.AsSpan(32));
            sequence.ThrowIfNotEmpty();
            return whole ? parts : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    private static bool TryTake(AsnReader sequence, Span<byte> destination)
    {
        ReadOnlySpan<byte> number = sequence.ReadIntegerBytes().Span;
        bool negative = (number[0] & 0x80) != 0;
        number = number[0] == 0 ? number[1..] : number;
        if (negative || number.Length > destination.Length)
        {
            return false;
        }

        number.CopyTo(destination[(destination.Length - number.Length)..]);
        return true;
    }
}
