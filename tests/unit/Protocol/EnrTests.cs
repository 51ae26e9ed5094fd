using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Protocol;

public sealed class EnrTests
{
    // EIP-778's example.
    private const string Example =
        "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";

    private static readonly byte[] ExampleSecret = Convert.FromHexString("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");

    [Fact]
    public void TheExampleOfTheStandardIsMadeAndRead()
    {
        EnrEndpoints endpoints = new() { Ip = IPAddress.Loopback, Udp = 30303 };
        Assert.Equal(Example, Enr.Sign(ExampleSecret, endpoints).ToString());

        Enr read = Enr.Parse(Example);
        Assert.Equal(1UL, read.Sequence);
        Assert.Equal(endpoints, read.Endpoints);
        Assert.Equal("03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138", Convert.ToHexStringLower(read.PublicKey.Span));
        Assert.Equal(Example, read.ToString());
        Assert.Equal(["id", "ip", "secp256k1", "udp"], read.Pairs.Select(pair => pair.Key));
    }

    [Fact]
    public void EverythingARecordCanSayComesBack()
    {
        byte[] secret = new byte[Secp256k1.SecretSize];
        Secp256k1.NewSecret(secret);
        EnrEndpoints endpoints = new()
        {
            Ip = IPAddress.Parse("192.0.2.1"),
            Tcp = 9000,
            Udp = 9001,
            Ip6 = IPAddress.Parse("2001:db8::1"),
            Tcp6 = 1,
            Udp6 = 65535,
            Quic = 9000,
            Quic6 = 9002,
        };
        foreach (ulong sequence in new ulong[] { 0, 1, 127, 128, 256, ulong.MaxValue })
        {
            Enr read = Enr.Parse(Enr.Sign(secret, endpoints, sequence).ToString());
            Assert.Equal(sequence, read.Sequence);
            Assert.Equal(endpoints, read.Endpoints);
        }
    }

    [Theory]
    [InlineData("ip=192.0.2.1 tcp=9000 quic=9001", "/ip4/192.0.2.1/tcp/9000 /ip4/192.0.2.1/udp/9001/quic-v1")]
    [InlineData("ip=192.0.2.1 quic=9001 preconf=1", "/ip4/192.0.2.1/udp/9001/quic-v1")]
    [InlineData("ip=192.0.2.1 ip6=2001:db8::1 tcp=9000", "/ip4/192.0.2.1/tcp/9000 /ip6/2001:db8::1/tcp/9000")]
    [InlineData("ip=192.0.2.1 ip6=2001:db8::1 tcp=9000 preconf=1", "/ip4/192.0.2.1/tcp/9000")]
    [InlineData("ip6=2001:db8::1 tcp=9000 tcp6=9006 quic6=9007 preconf=1", "/ip6/2001:db8::1/tcp/9006 /ip6/2001:db8::1/udp/9007/quic-v1")]
    [InlineData("ip6=2001:db8::1 tcp=9000 tcp6=0", "/ip6/2001:db8::1/tcp/9000")]
    [InlineData("ip=192.0.2.1 tcp=0 quic=0", "")]
    [InlineData("ip=192.0.2.1 udp=9000", "")]
    [InlineData("tcp=9000 quic=9001", "")]
    [InlineData("ip=0.0.0.0 ip6=:: tcp=9000", "")]
    [InlineData("ip=224.0.0.1 ip6=ff02::1 tcp=9000", "")]
    [InlineData("ip=192.0.2.1 tcp=9000 quic=list", "/ip4/192.0.2.1/tcp/9000")]
    [InlineData("ip=192.0.2.1 tcp=9000 quic=70000", "/ip4/192.0.2.1/tcp/9000")]
    public void ARecordIsDialledAsDiscoveryDialsIt(string pairs, string addresses)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        Enr record = Made(pairs);
        Assert.Equal(addresses, string.Join(' ', record.DialableAddresses().Select(address => address.WithoutPeerId())));
        Assert.All(record.DialableAddresses(), address => Assert.Equal(record.PeerId, address.PeerId));
    }

    [Fact]
    public void ARecordChangedAnywhereIsRefused()
    {
        byte[] record = Enr.Parse(Example).Record.ToArray();
        for (int i = 0; i < record.Length; i++)
        {
            byte[] changed = [.. record];
            changed[i] ^= 1;
            Assert.False(Enr.TryDecode(changed, out _, out string? fault), $"byte {i}");
            Assert.NotEmpty(fault!);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("enr:")]
    [InlineData("enode://abc")]
    [InlineData("enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0")]
    [InlineData(Example + "A")]
    [InlineData(Example + "=")]
    [InlineData("enr:!!!!")]
    public void WhatIsNoRecordIsRefusedWithAReason(string text) => Assert.Throws<FormatException>(() => Enr.Parse(text));

    [Fact]
    public void RandomBytesNeverCrashTheReader()
    {
        Random random = new(1);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = new byte[random.Next(320)];
            random.NextBytes(bytes);
            if (bytes.Length > 2)
            {
                // A plausible list header, so that the reader gets to the items.
                (bytes[0], bytes[1]) = bytes.Length - 2 is >= 56 and < 256 ? ((byte)0xf8, (byte)(bytes.Length - 2)) : ((byte)0xc0, bytes[1]);
            }

            Assert.False(Enr.TryDecode(bytes, out _, out _));
        }
    }

    // A record with any keys, as Sign makes none: "key=value", where a number is a port, preconf's a chain, and a list holds a 5.
    private static Enr Made(string text)
    {
        byte[] secret = new byte[Secp256k1.SecretSize], key = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.NewSecret(secret);
        Secp256k1.CompressedPublicKey(secret, key);
        SortedDictionary<string, RlpItem> pairs = new(StringComparer.Ordinal) { ["id"] = new("v4"u8.ToArray(), false), ["secp256k1"] = new(key, false) };
        foreach (string[] pair in text.Split(' ').Select(pair => pair.Split('=')))
        {
            pairs[pair[0]] = pair switch
            {
                ["ip" or "ip6", var ip] => new(IPAddress.Parse(ip).GetAddressBytes(), false),
                [_, "list"] => new([0xc1, 5], true),
                ["preconf", var chain] => new([0xc2, byte.Parse(chain, CultureInfo.InvariantCulture), 1], true),
                _ => new(Number(pair[1]), false),
            };
        }

        List<byte> content = [];
        Rlp.AppendNumber(content, 1);
        foreach ((string name, RlpItem value) in pairs)
        {
            Rlp.AppendString(content, Encoding.ASCII.GetBytes(name));
            Rlp.AppendItem(content, value);
        }

        Bytes32 hash = Keccak256.Hash(Rlp.List(content));
        Signature signature = Secp256k1.Sign(in hash, secret);
        List<byte> record = [];
        Rlp.AppendString(record, signature.AsSpan()[..64]);
        record.AddRange(content);
        Assert.True(Enr.TryDecode(Rlp.List(record), out Enr? made, out string? fault), fault);
        return made;
    }

    private static byte[] Number(string text)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, uint.Parse(text, CultureInfo.InvariantCulture));
        return bytes.AsSpan().TrimStart((byte)0).ToArray();
    }

    [Fact]
    public void AddressesOfTheWrongFamilyAndImpossiblePortsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => Enr.Sign(ExampleSecret, new EnrEndpoints { Ip = IPAddress.IPv6Loopback }));
        Assert.Throws<ArgumentException>(() => Enr.Sign(ExampleSecret, new EnrEndpoints { Tcp = 65536 }));
    }
}
