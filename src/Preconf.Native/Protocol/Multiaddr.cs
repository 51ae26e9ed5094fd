using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Preconf.Native.Protocol;

/// <summary>How a multiaddr is reached.</summary>
public enum MultiaddrTransport
{
    /// <summary>No transport this library has.</summary>
    Other,

    /// <summary><c>…/tcp/PORT</c>.</summary>
    Tcp,

    /// <summary><c>…/udp/PORT/quic-v1</c>.</summary>
    Quic,

    /// <summary><c>/memory/N</c>, within one process.</summary>
    Memory,
}

/// <summary>
/// A multiaddr as this network uses them: <c>/ip4 /ip6 /dns /dns4 /dns6 /dnsaddr</c>, then <c>/tcp</c> or <c>/udp …/quic-v1</c>, or
/// <c>/memory</c>; optionally <c>/p2p/PEER</c> and <c>/p2p-circuit</c>. Its text is canonical, so equal addresses are equal texts.
/// </summary>
public sealed class Multiaddr : IEquatable<Multiaddr>
{
    private const int MaxText = 1024;
    private readonly Part[] _parts;
    private readonly string _text;

    private Multiaddr(Part[] parts)
    {
        _parts = parts;
        _text = string.Concat(parts.Select(part => part.Value is null ? $"/{part.Name}" : $"/{part.Name}/{part.Value}"));
        Transport = TransportOf(parts);
        PeerId = parts.Length != 0 && parts[^1].Name == "p2p" ? PeerId.Parse(parts[^1].Value!) : null;
    }

    /// <summary>How it is reached.</summary>
    public MultiaddrTransport Transport { get; }

    /// <summary>Who must answer: the last component, when it is <c>/p2p/…</c>.</summary>
    public PeerId? PeerId { get; }

    /// <summary>The IP address it starts with, if it does.</summary>
    public IPAddress? IPAddress => _parts[0].Name is "ip4" or "ip6" ? System.Net.IPAddress.Parse(_parts[0].Value!) : null;

    /// <summary>The host name it starts with (<c>/dns/…</c>, <c>/dns4/…</c>, <c>/dns6/…</c>), if it does; not that of <c>/dnsaddr/…</c>, which has no address of its own.</summary>
    public string? HostName => _parts[0].Name is "dns" or "dns4" or "dns6" ? _parts[0].Value : null;

    /// <summary>The TCP or UDP port, if there is one.</summary>
    public int? Port
    {
        get
        {
            Part part = Array.Find(_parts, part => part.Name is "tcp" or "udp");
            return part.Value is null ? null : int.Parse(part.Value, CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Reads a multiaddr.</summary>
    /// <param name="text">E.g. <c>/ip4/192.0.2.1/udp/9000/quic-v1/p2p/16Uiu2…</c>.</param>
    /// <returns>The address.</returns>
    /// <exception cref="FormatException">The text is no such address; the message says which component.</exception>
    public static Multiaddr Parse(string text) =>
        TryParse(text, out Multiaddr? address, out string? fault) ? address : throw new FormatException($"'{text}' is not a multiaddr: {fault}");

    /// <summary>Reads a multiaddr.</summary>
    /// <param name="text">As for <see cref="Parse"/>.</param>
    /// <param name="address">The address.</param>
    /// <returns>False when the text is no such address.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Multiaddr? address) => TryParse(text, out address, out _);

    /// <summary>The same address with <c>/p2p/…</c> at its end.</summary>
    /// <param name="peer">Who must answer.</param>
    /// <returns>The address; this one when it names the peer already.</returns>
    public Multiaddr WithPeerId(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return peer.Equals(PeerId) ? this : new Multiaddr([.. WithoutPeerId()._parts, new Part("p2p", peer.ToString())]);
    }

    /// <summary>The same address without <c>/p2p/…</c> at its end.</summary>
    /// <returns>The address; this one when it names nobody, or nothing else.</returns>
    public Multiaddr WithoutPeerId() => PeerId is null || _parts.Length == 1 ? this : new Multiaddr(_parts[..^1]);

    /// <inheritdoc/>
    public bool Equals(Multiaddr? other) => other is not null && string.Equals(_text, other._text, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Multiaddr);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The canonical text.</summary>
    /// <returns>E.g. <c>/ip6/::1/tcp/9000</c>.</returns>
    public override string ToString() => _text;

    private static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Multiaddr? address, [NotNullWhen(false)] out string? fault)
    {
        address = null;
        if (string.IsNullOrEmpty(text) || text.Length > MaxText || text[0] != '/')
        {
            fault = $"it must start with / and have at most {MaxText} characters";
            return false;
        }

        string[] words = text[1..].Split('/');
        List<Part> parts = [];
        for (int i = 0; i < words.Length;)
        {
            string name = words[i++];
            if (name is "quic-v1" or "p2p-circuit")
            {
                parts.Add(new Part(name, null));
                continue;
            }

            string? value = i < words.Length ? words[i++] : null;
            if (value is null || Canonical(name, value) is not { } canonical)
            {
                fault = value is null ? $"/{name} is unknown or lacks its value" : $"/{name}/{value} is unknown or malformed";
                return false;
            }

            parts.Add(new Part(name == "ipfs" ? "p2p" : name, canonical));
        }

        fault = Order(parts);
        address = fault is null ? new Multiaddr([.. parts]) : null;
        return fault is null;
    }

    private static string? Canonical(string name, string value) => name switch
    {
        "ip4" => System.Net.IPAddress.TryParse(value, out IPAddress? ip) && ip.AddressFamily == AddressFamily.InterNetwork && value.Count(c => c == '.') == 3
            ? ip.ToString() : null,
        "ip6" => !value.Contains('%', StringComparison.Ordinal) && !value.Contains('[', StringComparison.Ordinal)
            && System.Net.IPAddress.TryParse(value, out IPAddress? ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? ip.ToString() : null,
        "dns" or "dns4" or "dns6" or "dnsaddr" => Uri.CheckHostName(value) == UriHostNameType.Dns ? value : null,
        "tcp" or "udp" => ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) ? port.ToString(CultureInfo.InvariantCulture) : null,
        "memory" => ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) ? number.ToString(CultureInfo.InvariantCulture) : null,
        "p2p" or "ipfs" => PeerId.TryParse(value, out PeerId? peer) ? peer.ToString() : null,
        _ => null,
    };

    private static string? Order(List<Part> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            string before = i == 0 ? string.Empty : parts[i - 1].Name;
            bool host = before is "ip4" or "ip6" or "dns" or "dns4" or "dns6" or "dnsaddr";
            bool fits = parts[i].Name switch
            {
                "tcp" or "udp" => host,
                "quic-v1" => before == "udp",
                "ip4" or "ip6" or "dns" or "dns4" or "dns6" or "dnsaddr" or "memory" => i == 0 || before == "p2p-circuit",
                _ => true,
            };
            if (!fits)
            {
                return $"/{parts[i].Name} can't follow {(before.Length == 0 ? "nothing" : "/" + before)}";
            }
        }

        return null;
    }

    private static MultiaddrTransport TransportOf(Part[] parts) =>
        Array.Exists(parts, part => part.Name == "quic-v1") ? MultiaddrTransport.Quic
        : Array.Exists(parts, part => part.Name == "tcp") ? MultiaddrTransport.Tcp
        : parts[0].Name == "memory" ? MultiaddrTransport.Memory
        : MultiaddrTransport.Other;

    private readonly record struct Part(string Name, string? Value);
}
