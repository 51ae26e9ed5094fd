using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>
/// What can be blocked: a peer wherever it is, one IP address whoever is there, or all addresses of a subnet. IPv4-mapped IPv6
/// addresses are taken for the IPv4 addresses they are, and the bits behind a subnet's prefix are cleared.
/// </summary>
public sealed class BlockTarget : IEquatable<BlockTarget>
{
    private readonly string _text;

    private BlockTarget(PeerId peer)
    {
        Peer = peer;
        _text = peer.ToString();
    }

    private BlockTarget(IPAddress address, int? prefix)
    {
        Address = address;
        PrefixLength = prefix;
        _text = prefix is { } length ? string.Create(CultureInfo.InvariantCulture, $"{address}/{length}") : address.ToString();
    }

    /// <summary>The peer; null when an address or a subnet is blocked.</summary>
    public PeerId? Peer { get; }

    /// <summary>The address, or the subnet's first one; null when a peer is blocked.</summary>
    public IPAddress? Address { get; }

    /// <summary>The length of the subnet's prefix, 0 to 32 or 128; null when a peer or one address is blocked.</summary>
    public int? PrefixLength { get; }

    /// <summary>A peer.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>The target.</returns>
    public static BlockTarget Of(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        return new BlockTarget(peer);
    }

    /// <summary>One IP address.</summary>
    /// <param name="address">Which; a scope id is dropped.</param>
    /// <returns>The target.</returns>
    public static BlockTarget Of(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return new BlockTarget(Plain(address), null);
    }

    /// <summary>A subnet.</summary>
    /// <param name="address">Any address of it.</param>
    /// <param name="prefixLength">How many of its first bits are the subnet's.</param>
    /// <returns>The target.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The length is not 0 to 32 (IPv4) or 128 (IPv6).</exception>
    public static BlockTarget Of(IPAddress address, int prefixLength)
    {
        ArgumentNullException.ThrowIfNull(address);
        int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        ArgumentOutOfRangeException.ThrowIfNegative(prefixLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(prefixLength, bits);
        if (address.IsIPv4MappedToIPv6 && prefixLength >= 96)
        {
            (address, prefixLength) = (address.MapToIPv4(), prefixLength - 96);
        }

        byte[] bytes = address.GetAddressBytes();
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] &= (byte)(0xff << Math.Clamp(8 - (prefixLength - (8 * i)), 0, 8));
        }

        return new BlockTarget(new IPAddress(bytes), prefixLength);
    }

    /// <summary>Reads a target.</summary>
    /// <param name="text">A peer id, an IP address, or a subnet such as <c>10.0.0.0/8</c> or <c>2001:db8::/32</c>.</param>
    /// <returns>The target.</returns>
    /// <exception cref="FormatException">The text is none of them.</exception>
    public static BlockTarget Parse(string text) => TryParse(text, out BlockTarget? target)
        ? target
        : throw new FormatException($"'{text}' is neither a peer id, nor an IP address, nor a subnet such as 10.0.0.0/8");

    /// <summary>Reads a target.</summary>
    /// <param name="text">As for <see cref="Parse"/>.</param>
    /// <param name="target">The target.</param>
    /// <returns>False when the text is none.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out BlockTarget? target)
    {
        target = null;
        if (text is null)
        {
            return false;
        }

        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (TryParseAddress(slash < 0 ? text : text[..slash], out IPAddress? address))
        {
            int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
            if (slash < 0)
            {
                target = Of(address);
            }
            else if (int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int prefix) && prefix <= bits)
            {
                target = Of(address, prefix);
            }
        }
        else if (PeerId.TryParse(text, out PeerId? peer))
        {
            target = Of(peer);
        }

        return target is not null;
    }

    /// <inheritdoc/>
    public bool Equals(BlockTarget? other) => other is not null && _text == other._text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as BlockTarget);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The text that <see cref="Parse"/> reads.</summary>
    /// <returns>A peer id, an address, or an address, a slash and the prefix' length.</returns>
    public override string ToString() => _text;

    // .NET takes 10 and 10.1 for IPv4 addresses, brackets, ports and scopes for IPv6 ones.
    private static bool TryParseAddress(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        bool plain = text.Contains(':', StringComparison.Ordinal)
            ? !text.AsSpan().ContainsAny("[]%")
            : text.AsSpan().Count('.') == 3 && text.Split('.').All(part => part is "0" || (part.Length is > 0 and <= 3 && part[0] != '0' && part.All(char.IsAsciiDigit)));
        address = null;
        return plain && IPAddress.TryParse(text, out address);
    }

    private static IPAddress Plain(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : new IPAddress(address.GetAddressBytes());
}
