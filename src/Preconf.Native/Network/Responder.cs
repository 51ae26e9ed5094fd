using System.Buffers;
using System.Buffers.Binary;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>What a lane does with peers' requests. They have lanes of their own, so that an answer does not wait for the hashing of the same peer's gossip.</summary>
internal sealed class RequestWork(NodeCore core) : ILaneWork
{
    private readonly Responder _responder = new(core);

    public void Process(in PcnEvent nativeEvent, PeerEntry peer, VerdictBatch verdicts) => _responder.Answer(in nativeEvent, peer);

    public void Late(in PcnEvent nativeEvent, PeerEntry peer)
    {
    }
}

/// <summary>Answers peers' requests from the store. Each ends here with an answer or a closed stream.</summary>
internal sealed class Responder(NodeCore core)
{
    private const int ListOffset = 4;

    public unsafe void Answer(in PcnEvent nativeEvent, PeerEntry peer)
    {
        bool answered = false;
        try
        {
            RequestProtocol protocol = (RequestProtocol)nativeEvent.topic;
            bool trusted = core.Reputation.IsTrusted(peer.Id);
            if (core.Inbound is { } limiter && !trusted && limiter.Take(peer.Id, protocol) != TimeSpan.Zero)
            {
                core.Reputation.Report(peer.Id, ReputationReason.OverLimit);
                core.EmitError(NetworkErrorKind.ReqRespRateLimited, peer.Id, $"{protocol}: the peer asks more often than RateLimit allows; refused");
                return;
            }

            ReadOnlySpan<byte> request = new(nativeEvent.data, (int)nativeEvent.len);
            if (!IsWellFormed(protocol, request))
            {
                core.Reputation.Report(peer.Id, ReputationReason.Garbage, $"request, {protocol}: not the SSZ of its container");
                core.EmitError(NetworkErrorKind.ReqRespCodec, peer.Id, $"{protocol}: the request is not the SSZ of its container; refused");
                return;
            }

            if (core.Reputation.IsGreylisted(peer.Id))
            {
                core.EmitError(NetworkErrorKind.ReqRespFailure, peer.Id, $"{protocol}: the peer is greylisted; refused");
                return;
            }

            answered = protocol switch
            {
                RequestProtocol.Head => Head(request, peer, nativeEvent.token),
                RequestProtocol.Commitments => Commitments(request, peer, nativeEvent.token),
                _ => TxList(request, peer, nativeEvent.token),
            };
        }
        catch (Exception error)
        {
            core.EmitError(NetworkErrorKind.Other, peer.Id, $"a request could not be answered, the store threw {NodeCore.Describe(error)}");
        }
        finally
        {
            if (!answered)
            {
                core.Native.Refuse(nativeEvent.token);
            }

            core.Native.Release(nativeEvent.lease);
        }
    }

    private static bool IsWellFormed(RequestProtocol protocol, ReadOnlySpan<byte> request) => protocol switch
    {
        RequestProtocol.Head => GetHeadRequestCodec.TryDecode(request, out _, out _),
        RequestProtocol.Commitments => GetCommitmentsByNumberRequestCodec.TryDecode(request, out _, out _),
        _ => GetRawTxListRequestCodec.TryDecode(request, out _, out _),
    };

    private bool Head(ReadOnlySpan<byte> request, PeerEntry peer, ulong channel)
    {
        if (!GetHeadRequestCodec.TryDecode(request, out _, out _))
        {
            return false;
        }

        PreconfHead head = core.ServedHead;
        Span<byte> answer = stackalloc byte[PreconfHeadCodec.Size];
        PreconfHeadCodec.Encode(in head, answer);
        if (!Send(channel, answer, default, RequestProtocol.Head, peer))
        {
            return false;
        }

        core.Emit(new NetworkEvent(NetworkEventKind.InboundHeadRequest, peer.Id));
        return true;
    }

    private bool Commitments(ReadOnlySpan<byte> request, PeerEntry peer, ulong channel)
    {
        if (!GetCommitmentsByNumberRequestCodec.TryDecode(request, out GetCommitmentsByNumberRequest wanted, out _))
        {
            return false;
        }

        int count = (int)Math.Min(wanted.MaxCount, (uint)PreconfLimits.MaxCommitmentsPerResponse);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ListOffset + (count * SignedCommitmentCodec.Size));
        try
        {
            BinaryPrimitives.WriteUInt32LittleEndian(buffer, ListOffset);
            int found = core.Store.GetCommitments(wanted.StartBlockNumber, count, buffer.AsSpan(ListOffset));
            int size = ListOffset + (found * SignedCommitmentCodec.Size);
            if (!Send(channel, buffer.AsSpan(0, size), default, RequestProtocol.Commitments, peer))
            {
                return false;
            }

            core.Inbound?.Charge(peer.Id, RequestProtocol.Commitments, size);
            core.Emit(new NetworkEvent(NetworkEventKind.InboundCommitmentsRequest, peer.Id) { BlockNumber = wanted.StartBlockNumber, Count = found });
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return true;
    }

    private bool TxList(ReadOnlySpan<byte> request, PeerEntry peer, ulong channel)
    {
        if (!GetRawTxListRequestCodec.TryDecode(request, out GetRawTxListRequest wanted, out _))
        {
            return false;
        }

        Bytes32 hash = wanted.RawTxListHash;
        ReadOnlyMemory<byte> bytes = core.Store.TryGetTxList(in hash, out ReadOnlyMemory<byte> kept) ? kept : default;
        if (bytes.Length > PreconfLimits.MaxTxListBytes)
        {
            core.EmitError(NetworkErrorKind.Other, peer.Id, $"{RequestProtocol.TxList}: the store gave {bytes.Length} bytes for {hash}, more than a txlist may have; refused");
            return false;
        }

        Span<byte> head = stackalloc byte[TxListCodec.FixedSize];
        TxListCodec.WriteHead(in hash, head);
        if (!Send(channel, head, bytes.Span, RequestProtocol.TxList, peer))
        {
            return false;
        }

        core.Inbound?.Charge(peer.Id, RequestProtocol.TxList, head.Length + bytes.Length);
        core.Emit(new NetworkEvent(NetworkEventKind.InboundRawTxListRequest, peer.Id) { Hash = hash, Count = bytes.Length });
        return true;
    }

    // Answers that a peer leaves unread are bounded; one more is refused at once, not left open until its time is up. One that ended meanwhile was told of.
    private bool Send(ulong channel, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, RequestProtocol protocol, PeerEntry peer)
    {
        PcnStatus status = core.Native.Respond(channel, head, body);
        if (status is not (PcnStatus.Ok or PcnStatus.NotFound or PcnStatus.Stopped or PcnStatus.InvalidHandle))
        {
            NetworkErrorKind kind = status == PcnStatus.QueueFull ? NetworkErrorKind.ReqRespBackpressure : NetworkErrorKind.ReqRespFailure;
            core.EmitError(kind, peer.Id, $"{protocol}: the answer of {head.Length + body.Length} bytes can't be sent ({status}); refused");
        }

        return status == PcnStatus.Ok;
    }
}
