using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Ssz;

namespace Preconf.Native.ParityTests;

/// <summary>codec.json: frames of requests and answers, read by the node's own reader and then by the SSZ codecs.</summary>
public class CodecTests
{
    private const string File = "codec.json";
    private const int MaxVarintBytes = 5;

    [Fact]
    public void Sections_AreThoseTested() => Vectors.AssertSections(File, "frames", "limits", "notes", "varint_encodings");

    [Fact]
    public void Notes_AreThoseTheTestsKnow() => Assert.Equal(
        [
            "the reader reads exactly one frame and never checks for EOF after it: trailing bytes are accepted (left unread)",
            "varint errors surface as InvalidData, a short body as UnexpectedEof",
            "length check is len > max",
            "the reader allocates a zeroed buffer of the declared length before any body byte arrives (up to 2101248 bytes)",
        ],
        Vectors.Data(File)["notes"].Items.Select(note => note.Text));

    [Fact]
    public void Limits_AreTheReferences()
    {
        VectorNode limits = Vectors.Data(File)["limits"];
        Assert.Equal(3, limits.Names.Count);
        foreach (string protocol in limits.Names)
        {
            Assert.Equal(limits[protocol]["request"].Number, (ulong)FrameLimits.Request(ProtocolOf(protocol)));
            Assert.Equal(limits[protocol]["response"].Number, (ulong)FrameLimits.Response(ProtocolOf(protocol)));
        }

        Vectors.AssertAllRead(limits);
    }

    [Fact]
    public void Varints_AreWrittenAsByTheReference() => Vectors.CheckAll(Vectors.Data(File)["varint_encodings"], test =>
    {
        ulong value = test["value"].Number;
        byte[] varint = test["varint"].Bytes;
        (ulong read, int length) = ReadVarint(varint);
        Assert.Equal((value, varint.Length), (read, length));

        // The node writes a length only before its payload; beyond what a frame may hold there is nothing to write.
        if (value <= (ulong)FrameLimits.Response(RequestProtocol.TxList))
        {
            Assert.Equal(varint, EncodeFrame(new byte[value])[..varint.Length]);
        }
    });

    [Fact]
    public void Frames_AreTakenAndRefusedAsByTheReference() => Vectors.CheckAll(Vectors.Data(File)["frames"], test =>
    {
        _ = test["name"].Text;
        RequestProtocol protocol = ProtocolOf(test["protocol"].Text);
        bool response = IsResponse(test["direction"].Text);
        Assert.Equal(test["max_len"].Number, (ulong)(response ? FrameLimits.Response(protocol) : FrameLimits.Request(protocol)));
        byte[] frame = test.BytesOrRule("frame");
        Assert.Equal(test["frame_len"].Number, (ulong)frame.Length);
        PcnStatus status = DecodeFrame(protocol, response, frame, out int offset, out int length);
        switch (test["verdict"].Text)
        {
            case "accept":
                CheckAccepted(test, frame, status, offset, length, Container(protocol, response));
                break;
            case "reject":
                CheckRejected(test, status, status == PcnStatus.Ok ? frame.AsSpan(offset, length) : default, Container(protocol, response));
                break;
            case string other:
                throw new InvalidDataException($"unknown verdict {other}");
        }
    });

    private static void CheckAccepted(VectorNode test, byte[] frame, PcnStatus status, int offset, int length, string container)
    {
        bool looksBad = test["accepted_though_it_looks_bad"].Flag;
        ulong consumed = test["consumed"].Number;
        ulong unread = test["unread_bytes"].Number;
        byte[]? payload = test.Optional("payload_ssz")?.Bytes;
        Types.Bytes32? hash = payload is null ? test["payload_ssz_keccak"].Bytes32 : null;
        if (looksBad && LengthOverflows(frame))
        {
            // The one deliberate difference: a fifth length byte with bits beyond 2³² says a length no frame can have. The reference drops those
            // bits and reads on; no encoder writes them, so refusing them costs no peer anything.
            Assert.Equal(PcnStatus.InvalidArgument, status);
            return;
        }

        Assert.Equal(PcnStatus.Ok, status);
        Assert.Equal(consumed, (ulong)(offset + length));
        Assert.Equal(unread, (ulong)(frame.Length - offset - length));
        byte[] found = frame[offset..(offset + length)];
        Assert.Equal(hash ?? Keccak256.Hash(payload), Keccak256.Hash(found));
        Containers.Outcome decoded = Containers.Decode(container, found);
        Assert.Equal(SszErrorCode.None, decoded.Error.Code);
        Assert.Equal(found, decoded.Encoded);
        Assert.Equal(frame[..(int)consumed], EncodeFrame(found));

        // What else looks bad: bytes behind the frame, which no reader of one frame can see, or a list whose content is another one.
    }

    private static void CheckRejected(VectorNode test, PcnStatus status, ReadOnlySpan<byte> payload, string container)
    {
        string error = test["error"].Text;
        Assert.Contains(test["error_kind"].Text, new[] { "InvalidData", "UnexpectedEof" });
        bool bySsz = error.StartsWith("ssz decode: ", StringComparison.Ordinal);
        Assert.Equal(bySsz, status == PcnStatus.Ok);
        if (bySsz)
        {
            Assert.NotEqual(SszErrorCode.None, Containers.Decode(container, payload).Error.Code);
        }
        else
        {
            Assert.Equal(PcnStatus.InvalidArgument, status);
        }
    }

    private static bool LengthOverflows(ReadOnlySpan<byte> frame) =>
        frame.Length >= MaxVarintBytes && !frame[..(MaxVarintBytes - 1)].ContainsAnyInRange((byte)0, (byte)0x7f) && frame[MaxVarintBytes - 1] is > 0x0f and <= 0x7f;

    private static (ulong Value, int Length) ReadVarint(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        int at = 0;
        do
        {
            value |= (ulong)(bytes[at] & 0x7f) << (7 * at);
        }
        while ((bytes[at++] & 0x80) != 0);
        return (value, at);
    }

    private static RequestProtocol ProtocolOf(string name) => name switch
    {
        "get_head" => RequestProtocol.Head,
        "get_commitments_by_number" => RequestProtocol.Commitments,
        "get_raw_txlist" => RequestProtocol.TxList,
        _ => throw new InvalidDataException($"unknown protocol {name}"),
    };

    private static bool IsResponse(string direction) => direction switch
    {
        "request" => false,
        "response" => true,
        _ => throw new InvalidDataException($"unknown direction {direction}"),
    };

    private static string Container(RequestProtocol protocol, bool response) => (protocol, response) switch
    {
        (RequestProtocol.Head, false) => "GetHeadRequest",
        (RequestProtocol.Head, true) => "PreconfHead",
        (RequestProtocol.Commitments, false) => "GetCommitmentsByNumberRequest",
        (RequestProtocol.Commitments, true) => "GetCommitmentsByNumberResponse",
        (_, false) => "GetRawTxListRequest",
        (_, true) => "GetRawTxListResponse",
    };

    private static unsafe PcnStatus DecodeFrame(RequestProtocol protocol, bool response, byte[] frame, out int offset, out int length)
    {
        nuint at = 0;
        nuint size = 0;
        PcnStatus status;
        fixed (byte* data = frame)
        {
            status = NativeMethods.pcn_frame_decode((byte)protocol, response ? (byte)1 : (byte)0, data, (nuint)frame.Length, &at, &size, null);
        }

        offset = (int)at;
        length = (int)size;
        return status;
    }

    private static unsafe byte[] EncodeFrame(byte[] payload)
    {
        byte[] frame = new byte[payload.Length + MaxVarintBytes];
        nuint written;
        fixed (byte* data = payload, buffer = frame)
        {
            Assert.Equal(PcnStatus.Ok, NativeMethods.pcn_frame_encode(data, (nuint)payload.Length, buffer, (nuint)frame.Length, &written));
        }

        return frame[..(int)written];
    }
}
