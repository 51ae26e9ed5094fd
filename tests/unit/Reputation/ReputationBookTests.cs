using System.Net;
using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.UnitTests.Reputation;

public sealed class ReputationBookTests : IDisposable
{
    private static readonly PeerId A = NewPeer();
    private static readonly PeerId B = NewPeer();
    private readonly ManualTime _time = new();
    private readonly Effects _effects = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("preconf-reputation-").FullName;

    private string BansPath => Path.Combine(_folder, "bans.txt");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void OnlyProvenFaultsCostAndEachReasonIsOfOneKind()
    {
        ReputationReason[] faults =
        [
            ReputationReason.Garbage, ReputationReason.BadSignature, ReputationReason.WrongSigner, ReputationReason.WrongHash, ReputationReason.RuleBroken, ReputationReason.Flood,
        ];
        foreach (ReputationReason reason in Enum.GetValues<ReputationReason>())
        {
            Assert.Equal(faults.Contains(reason), DefaultPolicy.DeltaOf(reason) < 0);
        }
    }

    [Fact]
    public void AThousandFailuresOfTransportLowerThePreferenceAlone()
    {
        ReputationBook book = Book();
        for (int i = 0; i < 1000; i++)
        {
            book.Report(A, i % 2 == 0 ? ReputationReason.TimedOut : ReputationReason.TransportFailed);
            _time.Advance(TimeSpan.FromMilliseconds(100));
            book.Tick();
        }

        PeerReputation standing = book.Explain(A);
        Assert.Equal((0.0, false, null), (standing.Score, standing.IsGreylisted, standing.BannedUntil));
        Assert.True(standing.Preference < 0.01, $"{standing.Preference}");
        Assert.Empty(_effects.Scores);
        book.Report(A, ReputationReason.Answered);
        Assert.True(book.PreferenceOf(A) > standing.Preference);
        _time.Advance(TimeSpan.FromMinutes(20));
        Assert.InRange(book.PreferenceOf(A), 0.99, 1);
    }

    [Fact]
    public void TicksAreAskedForWhileTimeChangesSomethingAndNoLonger()
    {
        ReputationBook book = Book();
        int stirred = 0;
        book.Stirred = () => stirred++;
        Assert.False(book.Tick());
        book.Report(A, ReputationReason.Garbage);
        book.Report(A, ReputationReason.Garbage);
        book.Report(A, ReputationReason.TimedOut);
        Assert.Equal(1, stirred);
        int ticks = 0;
        while (book.Tick())
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.True(++ticks < 3600, "no end of ticks");
        }

        Assert.True(ticks > 66, $"{ticks} s: less than one half-life");
        Assert.Equal((0.0, false), (_effects.Scores[A], book.IsGreylisted(A)));
        Assert.True(book.Ban(B, TimeSpan.FromMinutes(1), null));
        Assert.Equal(2, stirred);
        Assert.True(book.Tick());
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(book.Tick());
        Assert.Empty(book.Bans);
    }

    [Fact]
    public void ChoosingAPeerLeavesTheReferencesScoreAlone()
    {
        ReputationBook book = new(new ReputationOptions { Policy = ReputationPolicy.Reference }, [], _effects, _time);
        book.Report(A, ReputationReason.Garbage);
        double score = book.Explain(A).Score;
        Assert.True(score < 0, $"{score}");
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(1, book.PreferenceOf(A));
        Assert.Equal(score, book.Explain(A).Score);
        book.Tick();
        Assert.Equal(score, _effects.Scores[A]);
    }

    [Fact]
    public void FaultsGreylistThenBanWhenTheyGoOnAndTheBanEndsByItself()
    {
        ReputationBook book = Book();
        book.Report(A, ReputationReason.BadSignature, "gossip, commitment of block 7: BadSignature");
        Assert.False(book.IsGreylisted(A));
        _time.Advance(TimeSpan.FromSeconds(1));
        book.Report(A, ReputationReason.Garbage);
        Assert.False(book.IsGreylisted(A), "two faults, and the first has faded a little");
        book.Report(A, ReputationReason.Garbage);
        Assert.True(book.IsGreylisted(A));
        Assert.True(_effects.Scores[A] < -ReputationBook.GreylistWeight);

        for (int i = 0; i < 200 && book.Bans.Count == 0; i++)
        {
            book.Report(A, ReputationReason.Garbage, "again");
            _time.Advance(TimeSpan.FromSeconds(1));
            book.Tick();
        }

        PeerBan ban = Assert.Single(book.Bans);
        Assert.Equal((A, ReputationReason.Banned, "Garbage: again"), (ban.Peer, ban.Reason, ban.Detail));
        Assert.Equal(ban, _effects.Blocked[A]);
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromHours(1), ban.Until);
        ReputationReason[] reasons = [.. book.Explain(A).History.Select(entry => entry.Reason)];
        Assert.Equal(1, reasons.Count(reason => reason == ReputationReason.Banned));
        Assert.Contains(ReputationReason.Greylisted, _effects.Told);

        _time.Advance(TimeSpan.FromHours(1));
        book.Tick();
        Assert.Empty(book.Bans);
        Assert.Empty(_effects.Blocked);
        Assert.Equal((0.0, false), (book.Explain(A).Score, book.IsGreylisted(A)));
        Assert.Equal(ReputationReason.BanEnded, book.Explain(A).History[^1].Reason);
    }

    [Fact]
    public void WhoFallsToTheGreylistAgainAndAgainIsBannedAndWhoSeldomDoesIsNot()
    {
        int Greylistings(TimeSpan pause)
        {
            ReputationBook book = Book();
            PeerId peer = NewPeer();
            for (int times = 1; times <= 10; times++)
            {
                for (int i = 0; i < 3; i++)
                {
                    book.Report(peer, ReputationReason.WrongSigner);
                }

                if (book.Bans.Count != 0)
                {
                    return times;
                }

                while (book.IsGreylisted(peer))
                {
                    _time.Advance(TimeSpan.FromSeconds(1));
                    book.Tick();
                }

                _time.Advance(pause);
            }

            return 0;
        }

        Assert.Equal(4, Greylistings(TimeSpan.FromSeconds(1)));
        Assert.Equal(0, Greylistings(TimeSpan.FromHours(1)));
    }

    [Fact]
    public void ABurstCostsNoMoreThanItsCapAndDecaysByHalfInAHalfLife()
    {
        ReputationBook book = Book();
        for (int i = 0; i < 100; i++)
        {
            book.Report(A, ReputationReason.Garbage);
        }

        Assert.Equal(-4, book.Explain(A).Score, 6);
        _time.Advance(TimeSpan.FromSeconds(66));
        book.Tick();
        Assert.Equal(-2, book.Explain(A).Score, 6);
        Assert.Equal(-2, _effects.Scores[A] + ReputationBook.GreylistWeight, 6);
        _time.Advance(TimeSpan.FromSeconds(1));
        book.Tick();
        Assert.False(book.IsGreylisted(A));
        Assert.Empty(book.Bans);
    }

    [Fact]
    public void ATrustedPeerIsNeverGreylistedOrBanned()
    {
        ReputationBook book = Book(trusted: A);
        for (int i = 0; i < 500; i++)
        {
            book.Report(A, ReputationReason.Garbage);
            book.Report(A, ReputationReason.OverLimit);
            _time.Advance(TimeSpan.FromSeconds(1));
            book.Tick();
        }

        Assert.False(book.Ban(A, null, null));
        PeerReputation standing = book.Explain(A);
        Assert.Equal((0.0, false, true, null), (standing.Score, standing.IsGreylisted, standing.IsTrusted, standing.BannedUntil));
        Assert.NotEmpty(standing.History);
        Assert.Empty(_effects.Blocked);
    }

    [Fact]
    public void OverTheLimitCostsOnlyWhenItPersists()
    {
        ReputationBook book = Book();
        for (int i = 0; i < 1000; i++)
        {
            book.Report(A, ReputationReason.OverLimit);
            _time.Advance(TimeSpan.FromSeconds(2));
        }

        Assert.Equal(0, book.Explain(A).Score);
        for (int i = 0; i < 65; i++)
        {
            book.Report(A, ReputationReason.OverLimit);
        }

        Assert.InRange(book.Explain(A).Score, -1, -0.99);
    }

    [Fact]
    public async Task PeersAndBansAreBoundedAndAWalkOutlivesABanTooMany()
    {
        // The kept ban's peer is not in the table; the next ban ends it within the timer's walk.
        ReputationOptions options = new() { MaxPeers = 16, MaxBans = 1, BanAfter = TimeSpan.Zero };
        await File.WriteAllTextAsync(BansPath, $"preconf-native bans 1\n{NewPeer()} never - Banned\n");
        ReputationBook book = Book(BanFile.Open(BansPath), options);
        Assert.Single(book.Bans);
        for (int i = 0; i < 40; i++)
        {
            book.Report(A, ReputationReason.Garbage);
            _time.Advance(TimeSpan.FromSeconds(3));
            book.Tick();
        }

        Assert.Equal(A, Assert.Single(book.Bans).Peer);
        for (int i = 0; i < 100; i++)
        {
            book.Report(NewPeer(), ReputationReason.TimedOut);
        }

        Assert.Equal(16, book.Count);
        Assert.NotNull(book.Explain(A).BannedUntil);
        Assert.NotEmpty(book.Explain(A).History);
        await book.KeptAsync();
    }

    [Fact]
    public void ARewardAllocatesNothing()
    {
        ReputationBook book = Book();
        for (int i = 0; i < 100; i++)
        {
            book.Report(A, ReputationReason.Accepted);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            book.Report(A, ReputationReason.Accepted);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData("127.0.0.1", null)]
    [InlineData("10.1.2.3", null)]
    [InlineData("172.31.0.1", null)]
    [InlineData("192.168.1.1", null)]
    [InlineData("100.64.0.1", null)]
    [InlineData("169.254.1.1", null)]
    [InlineData("::1", null)]
    [InlineData("fe80::1", null)]
    [InlineData("fd00::1", null)]
    [InlineData("::ffff:127.0.0.1", null)]
    [InlineData("64:ff9b::1", null)]
    [InlineData("2002:c000:201::1", null)]
    [InlineData("198.51.100.9", null)]
    [InlineData("2001:db8:aa:bb00::9", null)]
    [InlineData("8.8.8.8", "8.8.8.8/32")]
    [InlineData("::ffff:8.8.8.8", "8.8.8.8/32")]
    [InlineData("2a01:4f8:aa:bbcc:1:2:3:4", "2a01:4f8:aa:bb00::/56")]
    public void ABanTakesInNoAddressThatIsSharedOrAllowed(string address, string? scope)
    {
        BanScope rule = new(["198.51.100.0/24", "2001:db8:aa:bb11::1"]);
        Assert.Equal(scope, rule.Of(IPAddress.Parse(address))?.ToString());
    }

    [Fact]
    public void AnAllowedAddressThatIsNoneIsRefused() => Assert.Throws<FormatException>(() => new BanScope(["10.0.0.0/33"]));

    private ReputationBook Book(BanFile? file = null, ReputationOptions? options = null, PeerId? trusted = null) =>
        new(options ?? new ReputationOptions(), trusted is null ? [] : [trusted], _effects, _time, file);

    private static PeerId NewPeer()
    {
        byte[] secret = new byte[Secp256k1.SecretSize];
        Secp256k1.NewSecret(secret);
        byte[] key = new byte[Secp256k1.CompressedPublicKeySize];
        Secp256k1.CompressedPublicKey(secret, key);
        return PeerId.FromSecp256k1(key);
    }
}
