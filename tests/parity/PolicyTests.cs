using System.Buffers.Binary;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Reputation;

namespace Preconf.Native.ParityTests;

/// <summary>reputation.json and ratelimit.json: what the reference's policies decide, step by step.</summary>
public class PolicyTests
{
    private const string Reputations = "reputation.json";
    private const string Limits = "ratelimit.json";
    private const double Tolerance = 1e-9;

    [Fact]
    public void Sections_AreThoseTested()
    {
        Vectors.AssertSections(Reputations, "columns", "constants", "deltas", "rule", "tolerance", "traces");
        VectorNode limits = Vectors.Load(Limits);
        Assert.Equal(["data", "file", "source"], limits.Names.Order(StringComparer.Ordinal));
        Assert.Equal(["caveat", "columns", "rule", "traces"], limits["data"].Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Deltas_AreTheReferences()
    {
        Vectors.CheckAll(Vectors.Data(Reputations)["deltas"], test =>
            Assert.Equal(test["delta"].Real, ReferencePolicy.DeltaOf(Enum.Parse<ReputationAction>(test["action"].Text))));
        Assert.Equal(Enum.GetValues<ReputationAction>().Length, Vectors.Data(Reputations)["deltas"].Items.Count);
    }

    [Fact]
    public void Scores_AreTheReferencesAtEachStep()
    {
        VectorNode data = Vectors.Data(Reputations);
        Assert.Equal(
            ["t_ms", "peer", "action", "new_score", "is_banned", "is_greylisted", "was_banned", "was_greylisted"],
            data["columns"].Items.Select(item => item.Text));
        int steps = 0;
        Vectors.CheckAll(data["traces"], trace =>
        {
            _ = trace["name"].Text;
            VectorNode config = trace["config"];
            _ = config["name"].Text;
            StepTime time = new();
            ReferencePolicy policy = new(
                config["greylist_threshold"].Real, config["ban_threshold"].Real, TimeSpan.FromMilliseconds(config["halflife_ms"].Number), time);
            foreach (VectorNode step in trace["steps"].Items)
            {
                steps++;
                time.Milliseconds = (long)step.Items[0].Number;
                ReputationUpdate got = policy.Apply(Peer(step.Items[1].Number), Enum.Parse<ReputationAction>(step.Items[2].Text));
                Assert.Equal(step.Items[3].Real, got.Score, Tolerance);
                Assert.Equal(
                    (step.Items[4].Flag, step.Items[5].Flag, step.Items[6].Flag, step.Items[7].Flag),
                    (got.IsBanned, got.IsGreylisted, got.WasBanned, got.WasGreylisted));
                Assert.Equal(8, step.Items.Count);
            }

            for (int peer = 0; peer < trace["banned_at_end_by_peer"].Items.Count; peer++)
            {
                Assert.Equal(trace["banned_at_end_by_peer"].Items[peer].Flag, policy.IsBanned(Peer((ulong)peer)));
            }
        });
        Assert.Equal(data["traces"].Items.Sum(trace => trace["steps"].Items.Count), steps);
    }

    [Fact]
    public void Windows_AreTheReferencesAtEachStep()
    {
        VectorNode data = Vectors.Load(Limits)["data"];
        Assert.Equal(["t_ms", "peer", "kind", "allowed", "tracked_buckets_after"], data["columns"].Items.Select(item => item.Text));
        int steps = 0;
        Vectors.CheckAll(data["traces"], trace =>
        {
            _ = trace["name"].Text;
            StepTime time = new();
            TumblingWindowLimiter limiter = new((int)trace["max_requests"].Number, TimeSpan.FromMilliseconds(trace["window_ms"].Number), time);
            foreach (VectorNode step in trace["steps"].Items)
            {
                steps++;
                time.Milliseconds = (long)step.Items[0].Number;
                TimeSpan wait = limiter.Take(Peer(step.Items[1].Number), Kind(step.Items[2].Text));
                Assert.Equal(step.Items[3].Flag, wait == TimeSpan.Zero);
                Assert.Equal((int)step.Items[4].Number, limiter.Count);
                Assert.Equal(5, step.Items.Count);
            }
        });
        Assert.Equal(data["traces"].Items.Sum(trace => trace["steps"].Items.Count), steps);
    }

    private static RequestProtocol Kind(string kind) => kind switch
    {
        "head" => RequestProtocol.Head,
        "commitments" => RequestProtocol.Commitments,
        "raw_txlist" => RequestProtocol.TxList,
        _ => throw new InvalidDataException($"no protocol '{kind}'"),
    };

    private static PeerId Peer(ulong number)
    {
        byte[] key = new byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(key, number);
        return PeerId.FromEd25519(key);
    }

    private sealed class StepTime : TimeProvider
    {
        public long Milliseconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Milliseconds;
    }
}
