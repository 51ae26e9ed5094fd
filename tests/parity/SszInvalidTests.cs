using Preconf.Native.Crypto;
using Preconf.Native.Ssz;

namespace Preconf.Native.ParityTests;

/// <summary>ssz_invalid.json: what is no encoding, and what only looks like none.</summary>
public class SszInvalidTests
{
    private const string File = "ssz_invalid.json";

    [Fact]
    public void Sections_AreThoseTested() => Vectors.AssertSections(File, "cases");

    [Fact]
    public void Inputs_AreTakenAndRefusedAsByTheReference() => Vectors.CheckAll(Vectors.Data(File)["cases"], Check);

    private static void Check(VectorNode test)
    {
        _ = test["name"].Text;
        string container = test["type"].Text;
        byte[] input = test.BytesOrRule("input");
        Assert.Equal(test["input_len"].Number, (ulong)input.Length);
        if (test.Optional("input_keccak") is { } hash)
        {
            Assert.Equal(hash.Bytes32, Keccak256.Hash(input));
        }

        Containers.Outcome outcome = Containers.Decode(container, input);
        switch (test["verdict"].Text)
        {
            case "accept":
                Assert.Equal(SszErrorCode.None, outcome.Error.Code);

                // What looks bad is so by its meaning, which validation judges; the encoding itself is canonical.
                _ = test["accepted_though_it_looks_bad"].Flag;
                Assert.Equal(test["reencodes_to_same_bytes"].Flag, input.AsSpan().SequenceEqual(outcome.Encoded));
                break;
            case "reject":
                VectorNode error = test["error"];
                Assert.NotEmpty(error["text"].Text);
                Assert.Contains(outcome.Error.Code, Expected(error["kind"].Text));
                Assert.Equal(container, outcome.Error.Container);
                Assert.InRange(outcome.Error.Offset, 0, input.Length);
                Assert.NotEqual(outcome.Error.Expected, outcome.Error.Actual);
                break;
            case string other:
                throw new InvalidDataException($"unknown verdict {other}");
        }
    }

    /// <summary>
    /// The reference finds the same faults by another way: a first offset that is wrong cuts a list too short or too long, or points into nowhere,
    /// and it notices that before the length.
    /// </summary>
    private static SszErrorCode[] Expected(string kind) => kind switch
    {
        "ExpectedFurtherInput" => [SszErrorCode.WrongLength, SszErrorCode.TooShort, SszErrorCode.WrongFirstOffset],
        "AdditionalInput" => [SszErrorCode.WrongLength, SszErrorCode.PartialElement, SszErrorCode.WrongFirstOffset, SszErrorCode.ListTooLong],
        "InvalidInstance" => [SszErrorCode.ListTooLong, SszErrorCode.WrongFirstOffset],
        "InvalidByte" => [SszErrorCode.InvalidBoolean],
        _ => throw new InvalidDataException($"unknown error kind {kind}"),
    };
}
