using System.Diagnostics;
using System.Net;
using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.UnitTests.Reputation;

/// <summary>What becomes of bans: on disk, when there are too many, and of the addresses they take in.</summary>
public sealed class BanKeepingTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly Effects _effects = new();
    private readonly List<ReputationBook> _books = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("preconf-bans-").FullName;

    private string BansPath => Path.Combine(_folder, "bans.txt");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await Task.WhenAll(_books.Select(book => book.KeptAsync()));
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task BansOutliveTheBookAndWhatHasEndedMeanwhileIsForgotten()
    {
        PeerId a = NewPeer(), b = NewPeer();
        _effects.Network = IPNetwork.Parse("192.0.2.1/32");
        ReputationBook book = Book();
        Assert.True(book.Ban(a, null, "line one\nline two"));
        Assert.True(book.Ban(b, TimeSpan.FromMinutes(1), null));
        await book.KeptAsync();
        _time.Advance(TimeSpan.FromMinutes(2));
        _effects.Blocked.Clear();

        ReputationBook next = Book();
        PeerBan kept = Assert.Single(next.Bans);
        Assert.Equal((a, ReputationReason.BannedByHost, "line one line two", IPNetwork.Parse("192.0.2.1/32")), (kept.Peer, kept.Reason, kept.Detail, kept.Network));
        Assert.Equal(kept, _effects.Blocked[a]);
        Assert.True(next.Unban(a));
        Assert.False(next.Unban(a));
        Assert.Empty(_effects.Blocked);
        await next.KeptAsync();
        Assert.Empty(Book().Bans);
        Assert.Empty(_effects.NotKept);
    }

    [Theory]
    [InlineData("")]
    [InlineData("something else\n")]
    [InlineData("preconf-native bans 2\n")]
    public void AFileThatIsNoneFailsAndIsLeftAsItIs(string content)
    {
        File.WriteAllText(BansPath, content);
        Assert.Contains(BansPath, Assert.Throws<IOException>(() => BanFile.Open(BansPath)).Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(BansPath));
    }

    [Fact]
    public void AFileThatCanNotBeReadFails()
    {
        Directory.CreateDirectory(BansPath);
        Assert.Throws<UnauthorizedAccessException>(() => BanFile.Open(BansPath));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task LinesThatAreNoBanAreSaidAndSetAsideBeforeTheFileIsWrittenAgain(bool withOneThatIs)
    {
        PeerId a = NewPeer(), b = NewPeer();
        string wrong = $"nobody never - Banned\n{b} soon - Banned\n{b} never 300.0.0.0/8 Banned\n{b} never - Accepted\n{b}\n\0\n";
        string right = withOneThatIs ? $"{a} never - BannedByHost spam\n" : string.Empty;
        string whole = "preconf-native bans 1\n" + right + wrong;
        await File.WriteAllTextAsync(BansPath, whole);
        ReputationBook book = Book();
        Assert.Equal(withOneThatIs ? [a] : [], book.Bans.Select(ban => ban.Peer));
        string said = Assert.Single(_effects.NotKept);
        Assert.Contains("6 lines", said, StringComparison.Ordinal);
        Assert.Contains(BansPath + ".bad", said, StringComparison.Ordinal);
        await book.KeptAsync();
        Assert.Equal(whole, await File.ReadAllTextAsync(BansPath + ".bad"));
        Assert.Equal("preconf-native bans 1\n" + right, await File.ReadAllTextAsync(BansPath));
    }

    [Fact]
    public async Task NobodyWaitsForADiskAndTheNewestIsWritten()
    {
        // A pipe that nobody reads: whoever opens it for writing stands still, as on a disk that hangs.
        string pipe = BansPath + ".new";
        await RunAsync("mkfifo", pipe);
        ReputationBook book = Book();
        PeerId[] peers = [.. Enumerable.Range(0, 20).Select(_ => NewPeer())];
        await Task.Run(() =>
        {
            foreach (PeerId peer in peers)
            {
                book.Ban(peer, null, null);
                book.Report(peer, ReputationReason.Garbage);
            }
        }).WaitAsync(TimeSpan.FromSeconds(30));
        Task kept = book.KeptAsync();
        Assert.False(kept.IsCompleted);

        // What stood still is read to its end; the pipe is the file now, until the next write replaces it.
        await RunAsync("cat", pipe);
        await kept.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(book.Unban(peers[0]));
        await book.KeptAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(peers[1..].Select(peer => peer.ToString()).Order(), BanFile.Open(BansPath).Kept.Select(ban => ban.Peer.ToString()).Order());
        Assert.Empty(_effects.NotKept);
    }

    [Fact]
    public async Task OverTheMostTheHostsBansGoLast()
    {
        ReputationOptions options = new() { MaxBans = 2, BanAfter = TimeSpan.Zero };
        ReputationBook book = Book(options);
        PeerId first = NewPeer(), second = NewPeer(), third = NewPeer(), bad = NewPeer(), worse = NewPeer();
        Assert.True(book.Ban(first, TimeSpan.FromMinutes(10), null));
        Abuse(book, bad);
        Assert.Equal(new[] { bad, first }.ToHashSet(), book.Bans.Select(ban => ban.Peer).ToHashSet());

        // The host's ends sooner, and is not the one to go.
        Abuse(book, worse);
        Assert.Equal(new[] { worse, first }.ToHashSet(), book.Bans.Select(ban => ban.Peer).ToHashSet());
        Assert.True(book.Ban(second, TimeSpan.FromMinutes(20), null));
        Assert.Equal(new[] { second, first }.ToHashSet(), book.Bans.Select(ban => ban.Peer).ToHashSet());

        // All are the host's: a peer can't push one out, and that is said once, to whoever may take its time.
        _effects.OnNotKept = () => Assert.True(Task.Run(() => book.Count).Wait(TimeSpan.FromSeconds(5)), "told under the book's lock");
        Abuse(book, bad);
        Abuse(book, worse);
        Assert.Equal(new[] { second, first }.ToHashSet(), book.Bans.Select(ban => ban.Peer).ToHashSet());
        Assert.True(book.IsGreylisted(bad));
        Assert.Contains("MaxBans 2", Assert.Single(_effects.NotKept), StringComparison.Ordinal);
        Assert.True(book.Ban(third, TimeSpan.FromMinutes(30), null));
        Assert.Equal(new[] { second, third }.ToHashSet(), book.Bans.Select(ban => ban.Peer).ToHashSet());

        // Fewer are allowed at the next start: the host's that lasts longest stays.
        _effects.OnNotKept = null;
        await book.KeptAsync();
        Assert.Equal(third, Assert.Single(Book(new ReputationOptions { MaxBans = 1 }).Bans).Peer);
        Assert.Contains("MaxBans 1", _effects.NotKept[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task AddressesOfABanAreFreedForWhoeverIsWantedThere()
    {
        PeerId a = NewPeer(), b = NewPeer();
        IPNetwork network = IPNetwork.Parse("192.0.2.1/32");
        _effects.Network = network;
        ReputationBook book = Book();
        book.Ban(a, null, null);
        book.Ban(b, null, null);
        book.RecheckNetworks();
        Assert.Equal([network, network], book.Bans.Select(ban => ban.Network!.Value));
        _effects.Spared = network;
        book.RecheckNetworks();
        Assert.All(book.Bans, ban => Assert.Null(ban.Network));
        Assert.All(_effects.Blocked.Values, ban => Assert.Null(ban.Network));
        Assert.Equal(2, _effects.Blocked.Count);
        await book.KeptAsync();
        Assert.All(BanFile.Open(BansPath).Kept, ban => Assert.Null(ban.Network));
    }

    [Fact]
    public async Task ARestartLooksAtTheAddressesAgain()
    {
        PeerId a = NewPeer();
        _effects.Network = IPNetwork.Parse("192.0.2.1/32");
        ReputationBook book = Book();
        book.Ban(a, null, null);
        await book.KeptAsync();
        _effects.Spared = _effects.Network;
        Assert.Null(Assert.Single(Book().Bans).Network);
        Assert.Null(_effects.Blocked[a].Network);
    }

    [Fact]
    public void ABanWithoutRoomForItsAddressesDoesNotClaimThem()
    {
        _effects.Network = IPNetwork.Parse("192.0.2.1/32");
        _effects.HasRoom = false;
        ReputationBook book = Book();
        book.Ban(NewPeer(), null, null);
        Assert.Null(Assert.Single(book.Bans).Network);
    }

    private static async Task RunAsync(string program, string argument)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, [argument]) { RedirectStandardOutput = true })!;
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private void Abuse(ReputationBook book, PeerId peer)
    {
        for (int i = 0; i < 9; i++)
        {
            for (int times = 0; times < 4; times++)
            {
                book.Report(peer, ReputationReason.Garbage);
            }

            _time.Advance(TimeSpan.FromSeconds(10));
            book.Tick();
        }
    }

    private ReputationBook Book(ReputationOptions? options = null)
    {
        ReputationBook book = new(options ?? new ReputationOptions(), [], _effects, _time, BanFile.Open(BansPath));
        _books.Add(book);
        return book;
    }

    private static PeerId NewPeer()
    {
        byte[] secret = new byte[Secp256k1.SecretSize];
        Secp256k1.NewSecret(secret);
        byte[] key = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.CompressedPublicKey(secret, key);
        return PeerId.FromSecp256k1(key);
    }
}
