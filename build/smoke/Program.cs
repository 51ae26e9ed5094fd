// What a stranger does with the package: two nodes on loopback find each other, then both stop. Any fault is an exception.
using Preconf.Native.Network;
using Preconf.Native.Protocol;

TimeSpan limit = TimeSpan.FromSeconds(20);
P2pConfig Config() => new()
{
    Listen = ["/ip4/127.0.0.1/tcp/0"],
    EphemeralKey = true,
    EnableDiscovery = false,
    AnySigner = true,
};

await using P2pNode first = P2pNode.Create(Config());
await using P2pNode second = P2pNode.Create(Config());
await first.StartAsync();
await second.StartAsync();
Multiaddr address = await first.Handle.WaitForListenAddressAsync(limit);
PeerId met = await second.Handle.DialAsync(address).WaitAsync(limit);
if (!met.Equals(first.LocalPeerId))
{
    throw new InvalidOperationException($"dialled {address} and met {met}, not {first.LocalPeerId}");
}

await second.StopAsync().WaitAsync(limit);
await first.StopAsync().WaitAsync(limit);
Console.WriteLine($"smoke: {first.LocalPeerId} listened on {address}, was dialled by {second.LocalPeerId}, and both stopped");
