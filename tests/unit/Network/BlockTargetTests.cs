using System.Net;
using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class BlockTargetTests
{
    [Theory]
    [InlineData("10.1.2.3/8", "10.0.0.0/8")]
    [InlineData("203.0.113.77/25", "203.0.113.0/25")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("255.255.255.255/32", "255.255.255.255/32")]
    [InlineData("2001:db8::77/32", "2001:db8::/32")]
    [InlineData("2001:db8:ffff::/33", "2001:db8:8000::/33")]
    [InlineData("::1/128", "::1/128")]
    [InlineData("192.0.2.1", "192.0.2.1")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1")]
    [InlineData("::ffff:10.1.2.3/104", "10.0.0.0/8")]
    public void TextsAreReadAndWritten(string text, string same)
    {
        BlockTarget target = BlockTarget.Parse(text);
        Assert.Equal(same, target.ToString());
        Assert.Equal(target, BlockTarget.Parse(same));
        Assert.Equal(same.Contains('/', StringComparison.Ordinal), target.PrefixLength is not null);
        Assert.NotNull(target.Address);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("10")]
    [InlineData("10.1")]
    [InlineData("010.0.0.1")]
    [InlineData("1.2.3.256")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/+8")]
    [InlineData("::/129")]
    [InlineData("[::1]")]
    [InlineData("fe80::1%eth0")]
    [InlineData("/ip4/10.0.0.1")]
    [InlineData("16Uiu2HAm")]
    public void OtherTextsAreNone(string text)
    {
        Assert.False(BlockTarget.TryParse(text, out _));
        Assert.Throws<FormatException>(() => BlockTarget.Parse(text));
    }

    [Fact]
    public void APrefixOutsideItsFamilyIsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockTarget.Of(IPAddress.Loopback, 33));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockTarget.Of(IPAddress.Loopback, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockTarget.Of(IPAddress.IPv6Loopback, 129));
        Assert.Equal("::/0", BlockTarget.Of(IPAddress.IPv6Loopback, 0).ToString());
    }
}
