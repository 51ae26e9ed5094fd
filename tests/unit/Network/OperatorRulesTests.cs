using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Native.UnitTests.Network;

public sealed class OperatorRulesTests : IDisposable
{
    private static readonly PeerId Peer = PeerId.FromEd25519(Enumerable.Range(1, 32).Select(value => (byte)value).ToArray());
    private readonly string _directory = Directory.CreateTempSubdirectory("preconf-rules-").FullName;

    private string File => OperatorRules.FileOf(_directory);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task WhatIsSetAtRunTimeIsKeptAndConfiguredRulesAreNotWritten()
    {
        GaterOptions options = new() { BlockedSubnets = ["10.0.0.0/8"], Blocked = ["192.0.2.1"] };
        OperatorRules rules = OperatorRules.Load(options, _directory);
        rules.SetBlocked(BlockTarget.Parse("2001:db8::/32"), true);
        rules.SetBlocked(BlockTarget.Of(Peer), true);
        rules.SetBlocked(BlockTarget.Parse("198.51.100.1"), true);
        rules.SetBlocked(BlockTarget.Parse("198.51.100.1"), false);
        rules.SetBlocked(BlockTarget.Parse("10.0.0.0/8"), false);
        rules.SetProtected(Peer, true);
        await rules.SaveAsync(CancellationToken.None);
        Assert.Equal([Peer.ToString(), "192.0.2.1", "2001:db8::/32"], Texts(rules).Order(StringComparer.Ordinal));
        Assert.Equal(["block " + Peer, "block 2001:db8::/32", "protect " + Peer], (await System.IO.File.ReadAllLinesAsync(File)).Order(StringComparer.Ordinal));
        Assert.False(System.IO.File.Exists(File + ".new"));

        OperatorRules again = OperatorRules.Load(options, _directory);
        Assert.Equal(["10.0.0.0/8", Peer.ToString(), "192.0.2.1", "2001:db8::/32"], Texts(again).Order(StringComparer.Ordinal));
        Assert.Equal([Peer], again.Protected);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        }
    }

    [Fact]
    public void AStaticPeerIsProtectedUntilThatIsLiftedThoughItIsNoRule()
    {
        OperatorRules rules = OperatorRules.Load(new GaterOptions(), _directory, [Peer]);
        Assert.True(rules.IsProtected(Peer));
        Assert.Empty(rules.Protected);
        rules.SetProtected(Peer, false);
        Assert.False(rules.IsProtected(Peer));
        rules.SetProtected(Peer, true);
        Assert.True(rules.IsProtected(Peer));
        Assert.Equal([Peer], rules.Protected);
    }

    [Fact]
    public async Task TheLastOfManyWritersHasAll()
    {
        OperatorRules rules = OperatorRules.Load(new GaterOptions(), _directory);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async n =>
        {
            rules.SetBlocked(BlockTarget.Parse($"10.0.0.{n}"), true);
            await rules.SaveAsync(CancellationToken.None);
        }));
        Assert.Equal(64, OperatorRules.Load(new GaterOptions(), _directory).Blocked.Count);
    }

    [Theory]
    [InlineData("block 10.0.0.0/8\nblock nonsense\n", "line 2")]
    [InlineData("allow 10.0.0.0/8\n", "line 1")]
    [InlineData("protect 10.0.0.1\n", "line 1")]
    public async Task AFileWithAWrongLineFailsAndIsNamed(string text, string where)
    {
        await System.IO.File.WriteAllTextAsync(File, text);
        NetworkException error = Assert.Throws<NetworkException>(() => OperatorRules.Load(new GaterOptions(), _directory));
        Assert.Contains(File, error.Message, StringComparison.Ordinal);
        Assert.Contains(where, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileOverItsBoundsFails()
    {
        await System.IO.File.WriteAllLinesAsync(File, Enumerable.Range(0, OperatorRules.MaxBlocked + 1).Select(n => $"block 10.0.{n >> 8}.{n & 255}"));
        Assert.Throws<NetworkException>(() => OperatorRules.Load(new GaterOptions(), _directory));
        await System.IO.File.WriteAllTextAsync(File, new string('\n', (1 << 20) + 1));
        Assert.Throws<NetworkException>(() => OperatorRules.Load(new GaterOptions(), _directory));
    }

    [Fact]
    public async Task AFolderThatIsGoneIsSaid()
    {
        OperatorRules rules = OperatorRules.Load(new GaterOptions(), Path.Combine(_directory, "gone"));
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => rules.SaveAsync(CancellationToken.None));
        Assert.Contains("blocks.txt", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutAFolderNothingIsWritten()
    {
        OperatorRules rules = OperatorRules.Load(new GaterOptions(), null);
        rules.SetBlocked(BlockTarget.Of(Peer), true);
        await rules.SaveAsync(CancellationToken.None);
        Assert.Single(rules.Blocked);
    }

    private static IEnumerable<string> Texts(OperatorRules rules) => rules.Blocked.Select(target => target.ToString());
}
