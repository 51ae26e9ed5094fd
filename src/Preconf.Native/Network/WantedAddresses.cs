using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>
/// Where peers are that are wanted whatever happens: the addresses that the configuration writes, those its names resolve to, and those where such a
/// peer has been connected. No ban takes them in. Grows only; bounded by forgetting nothing that is written and the oldest of what was seen. Thread-safe.
/// </summary>
/// <param name="written">Multiaddrs of static and trusted peers; what is no multiaddr is skipped.</param>
internal sealed class WantedAddresses(IEnumerable<string> written)
{
    private const int MaxSeen = 4096;
    private readonly Multiaddr[] _written = [.. written.Select(text => Multiaddr.TryParse(text, out Multiaddr? address) ? address : null).OfType<Multiaddr>()];
    private readonly ConcurrentDictionary<string, IPAddress[]> _resolved = new();
    private readonly Lock _gate = new();
    private readonly HashSet<IPAddress> _seen = [];
    private readonly Queue<IPAddress> _order = new();

    /// <summary>The names among the addresses.</summary>
    public IReadOnlyList<string> Names => [.. _written.Select(address => address.HostName).OfType<string>().Distinct()];

    /// <summary>A wanted peer is connected from there.</summary>
    /// <returns>True when that is news.</returns>
    public bool See(IPAddress address)
    {
        lock (_gate)
        {
            if (!_seen.Add(Plain(address)))
            {
                return false;
            }

            _order.Enqueue(Plain(address));
            if (_order.Count > MaxSeen)
            {
                _seen.Remove(_order.Dequeue());
            }

            return true;
        }
    }

    /// <summary>Whether one of them is in a subnet.</summary>
    public bool AnyIn(IPNetwork network)
    {
        if (_written.Any(address => address.IPAddress is { } ip && network.Contains(Plain(ip))) || _resolved.Values.Any(ips => ips.Any(network.Contains)))
        {
            return true;
        }

        lock (_gate)
        {
            return _seen.Any(network.Contains);
        }
    }

    /// <summary>Resolves the names; a name that does not resolve keeps what it resolved to before.</summary>
    /// <param name="resolve">Asks for a name's addresses.</param>
    /// <returns>True when an address is new.</returns>
    public async Task<bool> ResolveAsync(Func<string, Task<IPAddress[]>> resolve)
    {
        bool isNews = false;
        foreach (string name in Names)
        {
            try
            {
                IPAddress[] found = [.. (await resolve(name).ConfigureAwait(false)).Select(Plain)];
                IPAddress[] known = _resolved.GetValueOrDefault(name) ?? [];
                isNews |= found.Except(known).Any();
                _resolved[name] = [.. found, .. known.Except(found).Take(MaxSeen)];
            }
            catch (Exception error) when (error is SocketException or ArgumentException)
            {
                // The dial says it; here the last answer holds.
            }
        }

        return isNews;
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : new IPAddress(address.GetAddressBytes());
}
