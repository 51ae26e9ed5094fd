using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Protocol;

/// <summary>Where a node record says its node is reached; whatever is not known is null.</summary>
public sealed record EnrEndpoints
{
    /// <summary>IPv4 address (<c>ip</c>).</summary>
    public IPAddress? Ip { get; init; }

    /// <summary>TCP port (<c>tcp</c>).</summary>
    public int? Tcp { get; init; }

    /// <summary>UDP port (<c>udp</c>), of discovery.</summary>
    public int? Udp { get; init; }

    /// <summary>IPv6 address (<c>ip6</c>).</summary>
    public IPAddress? Ip6 { get; init; }

    /// <summary>TCP port of the IPv6 address (<c>tcp6</c>).</summary>
    public int? Tcp6 { get; init; }

    /// <summary>UDP port of the IPv6 address (<c>udp6</c>).</summary>
    public int? Udp6 { get; init; }

    /// <summary>UDP port of libp2p over QUIC (<c>quic</c>). No key of EIP-778: a record where it is not a port is read without it.</summary>
    public int? Quic { get; init; }

    /// <summary>UDP port of libp2p over QUIC at the IPv6 address (<c>quic6</c>), as <see cref="Quic"/>.</summary>
    public int? Quic6 { get; init; }
}

/// <summary>The network that a record's node is of.</summary>
/// <param name="ChainId">The L2 chain's id.</param>
/// <param name="ProtocolVersion">The version of the wire (protocol.md), 1 now.</param>
public readonly record struct EnrNetwork(ulong ChainId, ulong ProtocolVersion);

/// <summary>
/// An Ethereum node record (EIP-778) of the <c>v4</c> identity scheme: who a node is and where, signed with its secp256k1 key. At most 300
/// bytes; as text <c>enr:</c> and base64url. A record read here has a good signature.
/// </summary>
public sealed class Enr
{
    /// <summary>The most bytes a record may have.</summary>
    public const int MaxSize = 300;

    private const string Prefix = "enr:";
    private const int Ipv4Size = 4;
    private const int Ipv6Size = 16;
    private const string NetworkKey = "preconf";
    private static readonly string[] StringKeys = ["id", "ip", "ip6", "secp256k1", "tcp", "tcp6", "udp", "udp6"];
    private readonly byte[] _record;

    private Enr(byte[] record, ulong sequence, byte[] publicKey, EnrEndpoints endpoints, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs)
    {
        _record = record;
        Sequence = sequence;
        PublicKey = publicKey;
        Endpoints = endpoints;
        Pairs = pairs;
        PeerId = PeerId.FromSecp256k1(publicKey);
    }

    /// <summary>Grows with each new record of the same node.</summary>
    public ulong Sequence { get; }

    /// <summary>The node's key, 33 bytes compressed.</summary>
    public ReadOnlyMemory<byte> PublicKey { get; }

    /// <summary>The libp2p peer id of the node.</summary>
    public PeerId PeerId { get; }

    /// <summary>Where it is reached.</summary>
    public EnrEndpoints Endpoints { get; }

    /// <summary>Which network its node is of (key <c>preconf</c>: the list of chain id and protocol version), or null when it does not say, as the reference's.</summary>
    public EnrNetwork? Network => Value(Pairs, NetworkKey) is { } value && Rlp.TryReadList(value.Span, out List<RlpItem> items) && items.Count == 2
        && !items[0].IsList && Rlp.TryReadNumber(items[0].Bytes, out ulong chain) && !items[1].IsList && Rlp.TryReadNumber(items[1].Bytes, out ulong version)
            ? new EnrNetwork(chain, version)
            : null;

    /// <summary>All of the record's pairs in order, those without a property here too; values as bytes, a list's as its RLP.</summary>
    public IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>> Pairs { get; }

    /// <summary>The record's RLP.</summary>
    public ReadOnlyMemory<byte> Record => _record;

    /// <summary>Makes and signs a record.</summary>
    /// <param name="secret">The node's secret key, 32 bytes.</param>
    /// <param name="endpoints">Where it is reached.</param>
    /// <param name="sequence">Higher than that of any record the node has published before.</param>
    /// <returns>The record.</returns>
    /// <exception cref="ArgumentException">A port is not 1 to 65535, an address is of the wrong family, or the secret's length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    public static Enr Sign(ReadOnlySpan<byte> secret, EnrEndpoints endpoints, ulong sequence = 1)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        byte[] publicKey = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.CompressedPublicKey(secret, publicKey);
        SortedDictionary<string, byte[]> pairs = new(StringComparer.Ordinal) { ["id"] = "v4"u8.ToArray(), ["secp256k1"] = publicKey };
        AddAddress(pairs, "ip", endpoints.Ip, AddressFamily.InterNetwork);
        AddAddress(pairs, "ip6", endpoints.Ip6, AddressFamily.InterNetworkV6);
        AddPort(pairs, "tcp", endpoints.Tcp);
        AddPort(pairs, "udp", endpoints.Udp);
        AddPort(pairs, "tcp6", endpoints.Tcp6);
        AddPort(pairs, "udp6", endpoints.Udp6);
        AddPort(pairs, "quic", endpoints.Quic);
        AddPort(pairs, "quic6", endpoints.Quic6);

        List<byte> content = [];
        Rlp.AppendNumber(content, sequence);
        foreach ((string key, byte[] value) in pairs)
        {
            Rlp.AppendString(content, Encoding.ASCII.GetBytes(key));
            Rlp.AppendString(content, value);
        }

        Bytes32 hash = Keccak256.Hash(Rlp.List(content));
        Signature signature = Secp256k1.Sign(in hash, secret);
        List<byte> record = [];
        Rlp.AppendString(record, signature.AsSpan()[..Secp256k1.CompactSignatureSize]);
        record.AddRange(content);
        return new Enr(
            Rlp.List(record), sequence, publicKey, endpoints, [.. pairs.Select(pair => KeyValuePair.Create(pair.Key, (ReadOnlyMemory<byte>)pair.Value))]);
    }

    /// <summary>Reads a record's text and checks its signature.</summary>
    /// <param name="text"><c>enr:</c> and base64url without padding.</param>
    /// <returns>The record.</returns>
    /// <exception cref="FormatException">It is no record, or its signature is not its key's; the message says which.</exception>
    public static Enr Parse(string text) =>
        TryParse(text, out Enr? record, out string? fault) ? record : throw new FormatException($"not a node record: {fault}");

    /// <summary>Reads a record's text and checks its signature.</summary>
    /// <param name="text">As for <see cref="Parse"/>.</param>
    /// <param name="record">The record.</param>
    /// <param name="fault">What is wrong with the text.</param>
    /// <returns>Whether it is a record with a good signature.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Enr? record, [NotNullWhen(false)] out string? fault)
    {
        record = null;
        if (text is null || !text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            fault = "it does not start with enr:";
            return false;
        }

        ReadOnlySpan<char> digits = text.AsSpan(Prefix.Length);
        byte[] bytes = new byte[MaxSize];
        if (digits.Contains('=') || digits.Length > ((MaxSize * 4) + 2) / 3 || !Base64Url.TryDecodeFromChars(digits, bytes, out int length))
        {
            fault = $"after enr: comes base64url without padding, of at most {MaxSize} bytes";
            return false;
        }

        return TryDecode(bytes.AsSpan(0, length), out record, out fault);
    }

    /// <summary>Reads a record's RLP and checks its signature.</summary>
    /// <param name="bytes">The record.</param>
    /// <param name="record">The record.</param>
    /// <param name="fault">What is wrong with the bytes.</param>
    /// <returns>Whether it is a record with a good signature.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Enr? record, [NotNullWhen(false)] out string? fault)
    {
        record = null;
        if (bytes.Length > MaxSize || !Rlp.TryReadList(bytes, out List<RlpItem> items) || items.Count < 2 || items.Count % 2 != 0 || items[0].IsList)
        {
            fault = $"it is not an RLP list of a signature, a number and pairs, of at most {MaxSize} bytes";
            return false;
        }

        if (items[1].IsList || !Rlp.TryReadNumber(items[1].Bytes, out ulong sequence))
        {
            fault = "its sequence number is no 64-bit number in its shortest form";
            return false;
        }

        List<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs = [], strings = [];
        for (int i = 2; i < items.Count; i += 2)
        {
            string key = Encoding.Latin1.GetString(items[i].Bytes);
            if (items[i].IsList || (items[i + 1].IsList && StringKeys.Contains(key)))
            {
                fault = "a key, or what a key of EIP-778 says, is a list";
                return false;
            }

            if (pairs.Count != 0 && string.CompareOrdinal(pairs[^1].Key, key) >= 0)
            {
                fault = "its keys do not ascend";
                return false;
            }

            pairs.Add(KeyValuePair.Create(key, (ReadOnlyMemory<byte>)items[i + 1].Bytes));
            if (!items[i + 1].IsList)
            {
                strings.Add(pairs[^1]);
            }
        }

        string? unreadable = ReadEndpoints(strings, out EnrEndpoints endpoints);
        fault = CheckSignature(items, pairs, out byte[] publicKey) ?? unreadable;
        record = fault is null ? new Enr(bytes.ToArray(), sequence, publicKey, endpoints, pairs) : null;
        return fault is null;
    }

    /// <summary>
    /// Where libp2p reaches the node: IPv4 before IPv6, TCP before QUIC. A record that does not name this network's key takes <c>tcp</c> for
    /// both families where <c>tcp6</c> is missing, as EIP-778 says; a node of this network tells each port that it has.
    /// </summary>
    /// <returns>Addresses with <c>/p2p/…</c>; empty when nobody can dial the node.</returns>
    public IReadOnlyList<Multiaddr> DialableAddresses()
    {
        bool shared = Value(Pairs, NetworkKey) is null;
        (IPAddress? Ip, int? Tcp, int? Quic)[] places =
        [
            (Endpoints.Ip, PortOf(Endpoints.Tcp), PortOf(Endpoints.Quic)),
            (Endpoints.Ip6, PortOf(Endpoints.Tcp6) ?? (shared ? PortOf(Endpoints.Tcp) : null), PortOf(Endpoints.Quic6)),
        ];
        List<Multiaddr> addresses = [];
        foreach ((IPAddress? ip, int? tcp, int? quic) in places)
        {
            if (ip is null || IsNobodys(ip))
            {
                continue;
            }

            string at = $"/{(ip.AddressFamily == AddressFamily.InterNetwork ? "ip4" : "ip6")}/{ip}";
            addresses.AddRange(new[] { tcp is null ? null : $"{at}/tcp/{tcp}", quic is null ? null : $"{at}/udp/{quic}/quic-v1" }
                .OfType<string>().Select(text => Multiaddr.Parse(text).WithPeerId(PeerId)));
        }

        return addresses;
    }

    /// <summary>The record's text.</summary>
    /// <returns><c>enr:</c> and base64url without padding.</returns>
    public override string ToString() => Prefix + Base64Url.EncodeToString(_record);

    private static int? PortOf(int? port) => port is 0 ? null : port;

    private static bool IsNobodys(IPAddress ip) => ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any) || ip.IsIPv6Multicast
        || (ip.AddressFamily == AddressFamily.InterNetwork && ip.GetAddressBytes()[0] is >= 224 and < 240);

    private static string? CheckSignature(List<RlpItem> items, List<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs, out byte[] publicKey)
    {
        publicKey = Value(pairs, "secp256k1")?.ToArray() ?? [];
        if (Value(pairs, "id") is not { } scheme || !scheme.Span.SequenceEqual("v4"u8))
        {
            return "its identity scheme is not v4";
        }

        if (publicKey.Length != Secp256k1.CompressedPublicKeySize || publicKey[0] is not (2 or 3) || items[0].Bytes.Length != Secp256k1.CompactSignatureSize)
        {
            return "it lacks a compressed secp256k1 key or a signature of 64 bytes";
        }

        List<byte> content = [];
        foreach (RlpItem item in items.Skip(1))
        {
            Rlp.AppendItem(content, item);
        }

        Bytes32 hash = Keccak256.Hash(Rlp.List(content));
        return Secp256k1.Verify(in hash, items[0].Bytes, publicKey) ? null : "its signature is not its key's";
    }

    private static string? ReadEndpoints(List<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs, out EnrEndpoints endpoints)
    {
        bool good = TryAddress(pairs, "ip", Ipv4Size, out IPAddress? ip) & TryAddress(pairs, "ip6", Ipv6Size, out IPAddress? ip6)
            & TryPort(pairs, "tcp", out int? tcp) & TryPort(pairs, "udp", out int? udp)
            & TryPort(pairs, "tcp6", out int? tcp6) & TryPort(pairs, "udp6", out int? udp6);
        _ = TryPort(pairs, "quic", out int? quic) & TryPort(pairs, "quic6", out int? quic6);
        endpoints = new EnrEndpoints { Ip = ip, Ip6 = ip6, Tcp = tcp, Udp = udp, Tcp6 = tcp6, Udp6 = udp6, Quic = quic, Quic6 = quic6 };
        return good ? null : "an address or a port has the wrong length";
    }

    private static ReadOnlyMemory<byte>? Value(IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs, string key)
    {
        foreach ((string name, ReadOnlyMemory<byte> value) in pairs)
        {
            if (name == key)
            {
                return value;
            }
        }

        return null;
    }

    private static bool TryAddress(List<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs, string key, int size, out IPAddress? address)
    {
        ReadOnlyMemory<byte>? value = Value(pairs, key);
        address = value is { } bytes && bytes.Length == size ? new IPAddress(bytes.Span) : null;
        return value is null || address is not null;
    }

    private static bool TryPort(List<KeyValuePair<string, ReadOnlyMemory<byte>>> pairs, string key, out int? port)
    {
        port = null;
        if (Value(pairs, key) is not { } value)
        {
            return true;
        }

        bool good = Rlp.TryReadNumber(value.Span, out ulong number) && number <= ushort.MaxValue;
        port = good ? (int)number : null;
        return good;
    }

    private static void AddAddress(SortedDictionary<string, byte[]> pairs, string key, IPAddress? address, AddressFamily family)
    {
        if (address is null)
        {
            return;
        }

        if (address.AddressFamily != family)
        {
            throw new ArgumentException($"{key}: {address} is of another address family");
        }

        pairs[key] = address.GetAddressBytes();
    }

    private static void AddPort(SortedDictionary<string, byte[]> pairs, string key, int? port)
    {
        if (port is not { } number)
        {
            return;
        }

        if (number is < 1 or > ushort.MaxValue)
        {
            throw new ArgumentException($"{key}: {number} is not a port, 1 to {ushort.MaxValue}");
        }

        pairs[key] = number > byte.MaxValue ? [(byte)(number >> 8), (byte)number] : [(byte)number];
    }
}
