using Preconf.Native.Crypto;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.ParityTests;

/// <summary>
/// validation.json: the reference's functions and its validator set-ups. Each adapter case is judged twice: by the parity mode, which must agree,
/// and by the default mode, which must differ only where it is meant to.
/// </summary>
public class ValidationTests
{
    private const string File = "validation.json";

    private static readonly string[] SetUps =
    [
        "local_any",
        "local_slasher",
        "local_slasher_custom_domain",
        "lookahead_any",
        "lookahead_slasher",
        "lookahead_slasher_custom_domain",
    ];

    private static VectorNode Adapters => Vectors.Data(File)["adapters"];

    [Fact]
    public void Sections_AreThoseTested()
    {
        Vectors.AssertSections(File, "adapters", "types_functions");
        Assert.Equal(["commitments_response", "config", "gossip_commitment", "raw_txlist"], Adapters.Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void SetUps_AreThoseTested()
    {
        VectorNode config = Adapters["config"];
        VectorNode adapters = config["adapters"];
        Assert.Equal(SetUps, adapters.Names.Order(StringComparer.Ordinal));
        Assert.Equal("LocalValidationAdapter::new(None)", adapters["local_any"].Text);
        Assert.Equal("LocalValidationAdapter::new(Some(slasher))", adapters["local_slasher"].Text);
        Assert.Equal("LocalValidationAdapter::with_domain(Some(slasher), custom)", adapters["local_slasher_custom_domain"].Text);
        Assert.Equal("LookaheadValidationAdapter::new(None, schedule)", adapters["lookahead_any"].Text);
        Assert.Equal("LookaheadValidationAdapter::new(Some(slasher), schedule)", adapters["lookahead_slasher"].Text);
        Assert.Equal(
            "LookaheadValidationAdapter::with_domain(Some(slasher), schedule, custom)", adapters["lookahead_slasher_custom_domain"].Text);
        Assert.Equal(PreconfSigning.DefaultDomain, config["default_domain"].Bytes32);
        Assert.Equal(5, config["order_of_checks"].Items.Select(item => item.Text).Count(text => text.Length > 0));
        Assert.NotEqual(config["signer_A"].Address, config["signer_B"].Address);
        SetUp[] setUps = [.. SetUps.Select(name => new SetUp(config, name, parity: true))];

        Assert.Equal("validate_head_response always accepts", config["head_response"].Text);
        foreach (SetUp setUp in setUps)
        {
            Assert.True(setUp.Validator.ValidateHeadResponse(default).IsAccepted);
            Assert.True(setUp.Validator.ValidateHeadResponse(new PreconfHead(UInt256.MaxValue, UInt256.MaxValue)).IsAccepted);
        }

        Vectors.AssertAllRead(config);
    }

    [Fact]
    public void GossipedCommitments_AreJudgedAsByTheReference()
    {
        VectorNode adapters = Adapters;
        Vectors.CheckAll(adapters["gossip_commitment"], test =>
        {
            _ = test["name"].Text;
            SignedCommitment signed = SignedCommitmentCodec.Decode(test["signed_commitment_ssz"].Bytes);
            ForEachSetUp(adapters["config"], test["outcome"], (parity, normal, expected) =>
            {
                Check(expected, parity.Judge(in signed), normal.Judge(in signed), signed.Signature.IsLowS);
            });
        });
    }

    [Fact]
    public void AnsweredCommitments_AreJudgedAsByTheReference()
    {
        VectorNode adapters = Adapters;
        Vectors.CheckAll(adapters["commitments_response"], test =>
        {
            _ = test["name"].Text;
            SignedCommitment[] commitments = [.. GetCommitmentsByNumberResponseCodec.Decode(test["response_ssz"].Bytes).Commitments];
            ForEachSetUp(adapters["config"], test["outcome"], (parity, normal, expected) =>
            {
                // The reference compares no answer with its request, so one that no answer fits must do.
                GetCommitmentsByNumberRequest nothing = new(UInt256.MaxValue, 0);
                ValidationOutcome asReference = parity.Judge(in nothing, commitments);
                CheckParity(expected, asReference);
                CheckAgainstRequest(normal, commitments, asReference);
            });
        });
    }

    [Fact]
    public void TxLists_AreJudgedAsByTheReference()
    {
        VectorNode adapters = Adapters;
        Vectors.CheckAll(adapters["raw_txlist"], test =>
        {
            _ = test["name"].Text;
            Bytes32 claimed = test["raw_tx_list_hash"].Bytes32;
            byte[] list = test.BytesOrRule("txlist");
            byte[] ssz = new byte[GetRawTxListResponseCodec.EncodedLength(list.Length)];
            GetRawTxListResponseCodec.Encode(in claimed, list, ssz);
            Bytes32 actual = Keccak256.Hash(list);
            ForEachSetUp(adapters["config"], test["outcome"], (parity, normal, expected) =>
            {
                Check(
                    expected["gossip"],
                    parity.Validator.ValidateTxList(in claimed, list, in actual),
                    normal.Validator.ValidateTxList(in claimed, list, in actual));
                Assert.True(GetRawTxListResponseCodec.TryDecode(ssz, out GetRawTxListResponseView view, out _));
                Check(
                    expected["response"],
                    parity.Validator.ValidateTxListResponse(in claimed, view, in actual),
                    normal.Validator.ValidateTxListResponse(in claimed, view, in actual));
            });
        });
    }

    [Fact]
    public void Functions_AnswerAsTheReferences() => Vectors.CheckAll(Vectors.Data(File)["types_functions"], test =>
    {
        _ = test.Optional("name")?.Text;
        _ = test.Optional("note")?.Text;
        ValidationReason reason = CallFunction(test);
        switch (test["verdict"].Text)
        {
            case "accept":
                Assert.Equal(ValidationReason.None, reason);
                break;
            case "reject":
                Assert.NotEmpty(test["error"].Text);
                Assert.Equal(ReasonOfKind(test["error_kind"].Text), reason);
                break;
            case string other:
                throw new InvalidDataException($"unknown verdict {other}");
        }
    });

    private static ValidationReason CallFunction(VectorNode test)
    {
        switch (test["fn"].Text)
        {
            case "validate_preconfirmation_basic":
                return PreconfRules.ValidatePreconfirmationBasic(ValueReader.Preconfirmation(test["input"]));
            case "validate_parent_hash":
                return PreconfRules.ValidateParentHash(
                    test["parent_preconfirmation_hash"].Bytes32, ValueReader.Preconfirmation(test["parent"]));
            case "validate_txlist":
                _ = test["raw_tx_list_hash"].Bytes32;
                return PreconfRules.ValidateTxList(test.BytesOrRule("txlist"));
            case "validate_raw_txlist_gossip":
                return PreconfRules.ValidateRawTxListGossip(test["raw_tx_list_hash"].Bytes32, test.BytesOrRule("txlist"));
            case "validate_raw_txlist_response":
                return PreconfRules.ValidateRawTxListResponse(test["raw_tx_list_hash"].Bytes32, test.BytesOrRule("txlist"));
            case "validate_commitments_request":
                return PreconfRules.ValidateCommitmentsRequest(checked((uint)test["max_count"].Number), checked((uint)test["cap"].Number));
            case "validate_commitments_response":
                return PreconfRules.ValidateCommitmentsResponse(checked((int)test["count"].Number));
            default:
                throw new InvalidDataException($"unknown function {test["fn"].Text}");
        }
    }

    private static ValidationReason ReasonOfKind(string kind) => kind switch
    {
        "EopTxListMismatch" => ValidationReason.MissingTxListHash,
        "ParentPreconfirmationHashMismatch" => ValidationReason.ParentMismatch,
        "TxListHashMismatch" => ValidationReason.TxListHashMismatch,
        "TxListTooLarge" => ValidationReason.TxListTooLarge,
        "MaxCountExceeded" => ValidationReason.MaxCountExceeded,
        "TooManyCommitments" => ValidationReason.TooManyCommitments,
        _ => throw new InvalidDataException($"unknown error kind {kind}"),
    };

    private static ValidationReason ReasonOfText(string error) => error switch
    {
        "slasher_address mismatch" => ValidationReason.WrongSlasher,
        "non-eop preconfirmation requires non-zero raw_tx_list_hash" => ValidationReason.MissingTxListHash,
        "unexpected signer for slot" => ValidationReason.WrongSigner,
        "submissionWindowEnd mismatch" => ValidationReason.WrongSlotEnd,
        "unknown window" => ValidationReason.ScheduleUnknown,
        _ when error.StartsWith("signature format error: ", StringComparison.Ordinal) => ValidationReason.BadSignature,
        _ when error.StartsWith("signature recovery error: ", StringComparison.Ordinal) => ValidationReason.BadSignature,
        _ when error.StartsWith("txlist hash mismatch: ", StringComparison.Ordinal) => ValidationReason.TxListHashMismatch,
        _ => throw new InvalidDataException($"unknown error {error}"),
    };

    private static void ForEachSetUp(VectorNode config, VectorNode outcomes, Action<SetUp, SetUp, VectorNode> check)
    {
        Assert.Equal(SetUps, outcomes.Names.Order(StringComparer.Ordinal));
        foreach (string name in SetUps)
        {
            check(new SetUp(config, name, parity: true), new SetUp(config, name, parity: false), outcomes[name]);
        }
    }

    private static void Check(VectorNode expected, ValidationOutcome parity, ValidationOutcome normal, bool lowS = true)
    {
        CheckParity(expected, parity);
        CheckNormal(parity, normal, lowS);
    }

    private static void CheckParity(VectorNode expected, ValidationOutcome parity)
    {
        switch (expected["verdict"].Text)
        {
            case "accept":
                Assert.Equal((ValidationVerdict.Accept, ValidationReason.None, SenderFault.None), (parity.Verdict, parity.Reason, parity.Fault));
                break;
            case "reject":
                ValidationReason reason = ReasonOfText(expected["error"].Text);
                Assert.Equal((ValidationVerdict.Reject, reason, SenderFault.Sender), (parity.Verdict, parity.Reason, parity.Fault));
                break;
            case string other:
                throw new InvalidDataException($"unknown verdict {other}");
        }
    }

    /// <summary>Where the default mode differs from the reference on purpose: high s is ignored, an unknown window is waited for.</summary>
    private static void CheckNormal(ValidationOutcome parity, ValidationOutcome normal, bool lowS)
    {
        bool beforeHighS = parity.Reason is ValidationReason.BadSignature or ValidationReason.WrongSlasher or ValidationReason.MissingTxListHash;
        if (!lowS && !beforeHighS)
        {
            Assert.Equal((ValidationVerdict.Ignore, ValidationReason.HighS, SenderFault.None), (normal.Verdict, normal.Reason, normal.Fault));
        }
        else if (parity.Reason == ValidationReason.ScheduleUnknown)
        {
            Assert.Equal((ValidationVerdict.Pending, PendingKind.Schedule, SenderFault.None), (normal.Verdict, normal.PendingKind, normal.Fault));
        }
        else
        {
            Assert.Equal(parity, normal);
        }
    }

    private static void CheckAgainstRequest(SetUp normal, SignedCommitment[] commitments, ValidationOutcome parity)
    {
        UInt256[] numbers = [.. commitments.Select(commitment => commitment.Commitment.Preconf.BlockNumber)];
        bool ascending = numbers.Zip(numbers.Skip(1)).All(pair => pair.First < pair.Second);
        UInt256 lowest = numbers.Length == 0 ? UInt256.Zero : numbers.Min();
        ValidationOutcome fitting = normal.Judge(new(lowest, (uint)commitments.Length), commitments);
        if (ascending)
        {
            Assert.All(commitments, commitment => Assert.True(commitment.Signature.IsLowS));
            Assert.Equal(parity, fitting);
        }
        else
        {
            Assert.Equal((ValidationVerdict.Reject, ValidationReason.NotAscending), (fitting.Verdict, fitting.Reason));
        }

        if (commitments.Length > 0)
        {
            Assert.Equal(ValidationReason.TooManyCommitments, normal.Judge(new(lowest, (uint)commitments.Length - 1), commitments).Reason);
            Assert.True(lowest.TryIncrement(out UInt256 after));
            ValidationReason late = normal.Judge(new(after, (uint)commitments.Length), commitments).Reason;
            Assert.Contains(late, new[] { ValidationReason.BlockNumberOutOfRange, ValidationReason.NotAscending });
        }
    }

    /// <summary>One of the reference's validators, made from the file.</summary>
    private sealed class SetUp
    {
        private readonly Bytes32 _domain;

        public SetUp(VectorNode config, string name, bool parity)
        {
            Address? slasher = name.Contains("_slasher", StringComparison.Ordinal) ? config["expected_slasher"].Address : null;
            ValidationOptions options = new() { ReferenceParity = parity };
            Validator = name.StartsWith("lookahead_", StringComparison.Ordinal)
                ? new LookaheadValidationAdapter(new Schedule(config["schedule"]), slasher, options)
                : new LocalValidationAdapter(slasher, options);
            _domain = config[name.EndsWith("_custom_domain", StringComparison.Ordinal) ? "custom_domain" : "default_domain"].Bytes32;
        }

        public IPreconfValidator Validator { get; }

        public ValidationOutcome Judge(in SignedCommitment signed)
        {
            bool recovered = Recover(in signed, out Address signer);
            CommitmentContext context = new(in signed, signer, recovered, Secp256k1.IsLowS(in signed.Signature));
            return Validator.ValidateCommitment(in context);
        }

        public ValidationOutcome Judge(in GetCommitmentsByNumberRequest request, SignedCommitment[] commitments)
        {
            Address[] signers = new Address[commitments.Length];
            bool[] recovered = new bool[commitments.Length];
            for (int i = 0; i < commitments.Length; i++)
            {
                recovered[i] = Recover(in commitments[i], out signers[i]);
            }

            return Validator.ValidateCommitmentsResponse(in request, commitments, signers, recovered);
        }

        private bool Recover(in SignedCommitment signed, out Address signer)
        {
            Bytes32 hash = PreconfSigning.SigningHash(in _domain, in signed.Commitment);
            return PreconfSigning.TryRecover(in hash, in signed.Signature, out signer);
        }
    }

    private sealed class Schedule : ILookaheadResolver
    {
        private readonly Dictionary<UInt256, LookaheadAnswer> _windows = [];

        public Schedule(VectorNode schedule)
        {
            foreach (VectorNode entry in schedule.Items)
            {
                if (entry.Optional("otherwise") is { } otherwise)
                {
                    Assert.Equal("Err(\"unknown window\") from both functions", otherwise.Text);
                    continue;
                }

                _windows.Add(
                    entry["submission_window_end"].UInt256,
                    LookaheadAnswer.Known(entry["signer"].Address, entry["expected_slot_end"].UInt256));
            }
        }

        public LookaheadAnswer SignerFor(UInt256 submissionWindowEnd) => _windows.GetValueOrDefault(submissionWindowEnd);
    }
}
