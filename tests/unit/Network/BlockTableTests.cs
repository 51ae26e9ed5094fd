using System.Net;
using Preconf.Native.Interop;
using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class BlockTableTests
{
    private static readonly BlockTarget Target = BlockTarget.Parse("192.0.2.1/32");
    private static readonly IPNetwork Network = IPNetwork.Parse("192.0.2.1/32");
    private readonly HashSet<BlockTarget> _native = [];
    private PcnStatus _answer = PcnStatus.Ok;

    [Fact]
    public void TheEndOfTheOneLiftsNothingOfTheOther()
    {
        BlockTable table = Table();
        Assert.Equal(PcnStatus.Ok, table.Block(Target));
        Assert.True(table.Ban(Network));
        Assert.True(table.Ban(Network));
        Assert.Equal(PcnStatus.Ok, table.Unblock(Target));
        Assert.Equal([Target], _native);
        table.Lift(Network);
        Assert.Equal([Target], _native);
        table.Lift(Network);
        Assert.Empty(_native);
        table.Lift(Network);

        Assert.True(table.Ban(Network));
        Assert.Equal(PcnStatus.Ok, table.Block(Target));
        table.Lift(Network);
        Assert.Equal([Target], _native);
        Assert.Equal(PcnStatus.Ok, table.Unblock(Target));
        Assert.Empty(_native);
    }

    [Fact]
    public void WhatIsConfiguredIsTheOperators()
    {
        _native.Add(Target);
        BlockTable table = Table(Target);
        Assert.True(table.Ban(Network));
        table.Lift(Network);
        Assert.Equal([Target], _native);
    }

    [Fact]
    public void EachHasRoomOfItsOwn()
    {
        BlockTable table = Table();
        for (int i = 0; i < BlockTable.MaxBanned; i++)
        {
            Assert.True(table.Ban(new IPNetwork(new IPAddress([10, 0, (byte)(i >> 8), (byte)i]), 32)));
        }

        Assert.False(table.Ban(Network));
        Assert.True(table.Ban(IPNetwork.Parse("10.0.0.0/32")), "another ban of the same addresses needs no room");
        for (int i = 0; i < OperatorRules.MaxBlocked; i++)
        {
            Assert.Equal(PcnStatus.Ok, table.Block(BlockTarget.Of(new IPAddress([11, 0, (byte)(i >> 8), (byte)i]))));
        }

        Assert.Equal(PcnStatus.QueueFull, table.Block(Target));
        Assert.Equal(OperatorRules.MaxRules, _native.Count);
        table.Lift(IPNetwork.Parse("10.0.0.1/32"));
        Assert.True(table.Ban(Network));
    }

    [Fact]
    public void WhatTheNativePartRefusesIsNotTaken()
    {
        BlockTable table = Table();
        _answer = PcnStatus.Stopped;
        Assert.Equal(PcnStatus.Stopped, table.Block(Target));
        Assert.False(table.Ban(Network));
        _answer = PcnStatus.Ok;
        Assert.True(table.Ban(Network));
        Assert.Equal(PcnStatus.Ok, table.Unblock(Target));
        Assert.Equal([Target], _native);
    }

    private BlockTable Table(params BlockTarget[] configured) => new(Apply, configured);

    private PcnStatus Apply(BlockTarget target, bool blocked)
    {
        if (_answer == PcnStatus.Ok)
        {
            Assert.True(blocked ? _native.Add(target) : _native.Remove(target), "each is blocked once and lifted once");
        }

        return _answer;
    }
}
