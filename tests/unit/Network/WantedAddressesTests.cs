using System.Net;
using System.Net.Sockets;
using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class WantedAddressesTests
{
    private const string Peer = "/p2p/16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx";

    [Fact]
    public async Task WrittenResolvedAndSeenAddressesAreWanted()
    {
        WantedAddresses wanted = new(["/ip4/192.0.2.1/tcp/1" + Peer, "/dns4/one.example/tcp/1" + Peer, "/dns/two.example/udp/1/quic-v1" + Peer, "/dnsaddr/three.example" + Peer, Peer[5..]]);
        Assert.Equal(["one.example", "two.example"], wanted.Names);
        Assert.True(wanted.AnyIn(IPNetwork.Parse("192.0.2.1/32")));
        Assert.False(wanted.AnyIn(IPNetwork.Parse("192.0.2.2/32")));

        Dictionary<string, string[]> names = new() { ["one.example"] = ["::ffff:198.51.100.1"], ["two.example"] = ["2001:db8:0:1::7"] };
        Task<IPAddress[]> Resolve(string name) => names.TryGetValue(name, out string[]? found)
            ? Task.FromResult(found.Select(IPAddress.Parse).ToArray())
            : throw new SocketException((int)SocketError.HostNotFound);
        Assert.True(await wanted.ResolveAsync(Resolve));
        Assert.False(await wanted.ResolveAsync(Resolve));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("198.51.100.1/32")));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("2001:db8:0:0::/56")));

        // A name that is gone for a while keeps its addresses, and one that moves the old ones too.
        names.Remove("one.example");
        names["two.example"] = ["198.51.100.9"];
        Assert.True(await wanted.ResolveAsync(Resolve));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("198.51.100.1/32")));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("198.51.100.9/32")));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("2001:db8:0:0::/56")));

        Assert.True(wanted.See(IPAddress.Parse("::ffff:203.0.113.5")));
        Assert.False(wanted.See(IPAddress.Parse("203.0.113.5")));
        Assert.True(wanted.AnyIn(IPNetwork.Parse("203.0.113.5/32")));
    }
}
