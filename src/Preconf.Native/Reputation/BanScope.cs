using System.Net;
using System.Net.Sockets;

namespace Preconf.Native.Reputation;

/// <summary>
/// Which addresses a ban takes in beside the peer: an IPv4 address alone, an IPv6 address with its /56, what one customer is given. Never those that
/// many share or that are nobody's for sure: loopback, private, link-local, carriers' (100.64.0.0/10), and those the host allows.
/// </summary>
public sealed class BanScope
{
    /// <summary>The bits of an IPv6 address that are banned.</summary>
    public const int Ipv6Prefix = 56;

    private const int Ipv4Bits = 32;

    // RFC 6890, with the IPv6 prefixes that embed or translate IPv4 addresses, whose first 56 bits thousands share.
    private static readonly IPNetwork[] Shared =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "224.0.0.0/3", "::/8", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8",
        }.Select(text => IPNetwork.Parse(text)),
    ];

    private readonly IPNetwork[] _allowed;
    private readonly IPNetwork[] _shared;

    /// <summary>Makes the rule.</summary>
    /// <param name="allowed">IP addresses and subnets (CIDR) never banned.</param>
    /// <exception cref="FormatException">One is neither.</exception>
    public BanScope(IEnumerable<string> allowed)
        : this(allowed, sharedToo: false)
    {
    }

    internal BanScope(IEnumerable<string> allowed, bool sharedToo)
    {
        ArgumentNullException.ThrowIfNull(allowed);
        _shared = sharedToo ? [] : Shared;
        _allowed = [.. allowed.Select(text => TryParse(text, out IPNetwork network) ? network : throw new FormatException($"'{text}' is neither an IP address nor a subnet such as 192.0.2.0/24"))];
    }

    /// <summary>Reads an address or a subnet.</summary>
    /// <param name="text">E.g. <c>192.0.2.1</c> or <c>2001:db8::/32</c>; the bits behind the prefix are zero.</param>
    /// <param name="network">The subnet; of one address when the text is one.</param>
    /// <returns>False when the text is neither.</returns>
    public static bool TryParse(string? text, out IPNetwork network)
    {
        if (IPAddress.TryParse(text, out IPAddress? address))
        {
            network = new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? Ipv4Bits : Ipv4Bits * 4);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }

    /// <summary>What is banned with a peer at an address.</summary>
    /// <param name="address">Where it is; an IPv4-mapped IPv6 address counts as the IPv4 address it is.</param>
    /// <returns>The addresses, or null when none may be.</returns>
    public IPNetwork? Of(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : new IPAddress(address.GetAddressBytes());
        IPNetwork? scope = plain.AddressFamily == AddressFamily.InterNetwork ? new IPNetwork(plain, Ipv4Bits) : Ipv6(plain);
        return Contains(_shared, plain) || _allowed.Any(allowed => Overlap(allowed, scope!.Value)) ? null : scope;
    }

    private static IPNetwork Ipv6(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(Ipv6Prefix / 8).Clear();
        return new IPNetwork(new IPAddress(bytes), Ipv6Prefix);
    }

    private static bool Contains(IPNetwork[] networks, IPAddress address) => Array.Exists(networks, network => network.Contains(address));

    // One allowed address in a /56 saves all of it: better than cutting it off with the others.
    private static bool Overlap(IPNetwork one, IPNetwork other) => one.Contains(other.BaseAddress) || other.Contains(one.BaseAddress);
}
