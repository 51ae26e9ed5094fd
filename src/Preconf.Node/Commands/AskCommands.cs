using System.CommandLine;
using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Types;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>head</c>, <c>commitments</c> and <c>txlist</c>: asking a peer.</summary>
internal static class AskCommands
{
    // So that the columns of one page stand below those of another.
    private const int BlockWidth = 10;
    private const int HashWidth = 66;

    private static readonly Option<string> From = new("--from") { HelpName = "BLOCK", Description = "the first block wanted [default: 0]" };
    private static readonly Option<string> Count = new("--count") { HelpName = "N", Description = "how many at most [default: 256]; more than 256 are asked for in pages" };
    private static readonly Argument<string> Hash = new("hash") { HelpName = "HASH", Description = "the txlist's keccak256" };
    private static readonly Option<string> OutFile = new("--out") { HelpName = "FILE", Description = "write the bytes there; - for stdout" };

    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Create() =>
    [
        PeerCommand.Create("head", "Ask a peer for its head.", [], (_, _) => (light, settings, _, token) => HeadAsync(light, settings, token)),
        PeerCommand.Create("commitments", "Ask a peer for commitments. They are validated before they are shown, page by page; --timeout is for connecting and for each page.", [From, Count], (parse, faults) =>
        {
            UInt256 from = PeerCommand.Read(From.Name, parse.GetValue(From), UInt256.Zero, faults);
            uint count = PeerCommand.Read(Count.Name, parse.GetValue(Count), (uint)PreconfLimits.MaxCommitmentsPerResponse, faults);
            return (light, settings, renew, token) => CommitmentsAsync(light, settings, from, count, renew, token);
        }),
        PeerCommand.Create("txlist", "Ask a peer for a transaction list by its hash. The bytes are hashed before they are shown.", [Hash, OutFile], (parse, faults) =>
        {
            Bytes32 hash = PeerCommand.Read("HASH", parse.GetValue(Hash), default(Bytes32), faults);
            string? file = parse.GetValue(OutFile);
            return (light, settings, _, token) => TxListAsync(light, settings, hash, file, token);
        }),
    ];

    private static async Task<ExitCode> HeadAsync(LightPeer light, NodeSettings settings, CancellationToken cancellationToken)
    {
        PreconfHead head = await light.Handle.RequestHeadAsync(light.Peer, cancellationToken).ConfigureAwait(false);
        if (head == default)
        {
            throw new CommandException(ExitCode.NotFound, "empty", $"{light.Peer} holds nothing yet");
        }

        if (settings.Json)
        {
            JsonLines.StandardOutput.Write(json =>
            {
                json.WriteString("peer", light.Peer.ToString());
                JsonEventOutput.WriteNumber(json, "block", head.BlockNumber);
                JsonEventOutput.WriteNumber(json, "submissionWindowEnd", head.SubmissionWindowEnd);
            });
            return ExitCode.Ok;
        }

        Table table = new("BLOCK", "SUBMISSION WINDOW END", "PEER");
        table.Add(head.BlockNumber.ToString(), head.SubmissionWindowEnd.ToString(), light.Peer.ToString());
        Console.Out.Write(table);
        return ExitCode.Ok;
    }

    private static async Task<ExitCode> CommitmentsAsync(
        LightPeer light, NodeSettings settings, UInt256 from, uint count, Action renew, CancellationToken cancellationToken)
    {
        UInt256 next = from;
        uint left = count;
        Table table = new("BLOCK", "TIME", "HASH", "TXLIST", "SIGNER", "EOP");
        while (left != 0)
        {
            uint wanted = Math.Min(left, PreconfLimits.MaxCommitmentsPerResponse);
            CommitmentsAnswer page = await light.Handle.RequestCommitmentsAsync(next, wanted, light.Peer, cancellationToken).ConfigureAwait(false);
            table = Show(page, settings, table);
            left -= Math.Min(left, (uint)(page.Count + page.Skipped.Count));
            if (page.LastBlock is not { } last || !last.TryIncrement(out next))
            {
                break;
            }

            renew();
        }

        return left != count ? ExitCode.Ok : throw new CommandException(ExitCode.NotFound, "empty", $"{light.Peer} has no commitment from block {from} on");
    }

    // Each page is shown when it comes, so that whatever happens later takes nothing back. The header is above the first alone.
    private static Table Show(CommitmentsAnswer page, NodeSettings settings, Table table)
    {
        foreach (SkippedCommitment skipped in page.Skipped)
        {
            Console.Error.WriteLine($"left out: block {skipped.Commitment.Commitment.Preconf.BlockNumber}, {skipped.Outcome}");
        }

        foreach (SignedCommitment commitment in page.Commitments)
        {
            Show(commitment, settings, table);
        }

        if (settings.Json || page.Count == 0)
        {
            return table;
        }

        Console.Out.Write(table);
        return new Table();
    }

    private static void Show(SignedCommitment signed, NodeSettings settings, Table table)
    {
        Preconfirmation preconf = signed.Commitment.Preconf;
        Bytes32 domain = settings.Node.Domain;
        Bytes32 signingHash = PreconfSigning.SigningHash(in domain, signed.Commitment);
        Signature signature = signed.Signature;
        PreconfSigning.TryRecover(in signingHash, in signature, out Address signer);
        Bytes32 hash = PreconfSigning.PreconfirmationHash(in preconf);
        if (settings.Json)
        {
            Address slasher = signed.Commitment.SlasherAddress;
            JsonLines.StandardOutput.Write(json => WriteCommitment(json, in preconf, hash, signer, slasher, signature));
        }
        else
        {
            table.Add(
                preconf.BlockNumber.ToString().PadRight(BlockWidth), preconf.Timestamp.ToString(), hash.ToString(),
                (preconf.RawTxListHash.IsZero ? "none" : preconf.RawTxListHash.ToString()).PadRight(HashWidth), signer.ToString(), preconf.Eop ? "yes" : string.Empty);
        }
    }

    private static void WriteCommitment(Utf8JsonWriter json, in Preconfirmation preconf, Bytes32 hash, Address signer, Address slasher, Signature signature)
    {
        JsonEventOutput.WriteNumber(json, "block", preconf.BlockNumber);
        json.WriteString("hash", hash.ToString());
        json.WriteString("signer", signer.ToString());
        json.WriteBoolean("eop", preconf.Eop);
        JsonEventOutput.WriteNumber(json, "timestamp", preconf.Timestamp);
        JsonEventOutput.WriteNumber(json, "gasLimit", preconf.GasLimit);
        json.WriteString("coinbase", preconf.Coinbase.ToString());
        JsonEventOutput.WriteNumber(json, "anchorBlock", preconf.AnchorBlockNumber);
        json.WriteString("txListHash", preconf.RawTxListHash.ToString());
        json.WriteString("parent", preconf.ParentPreconfirmationHash.ToString());
        JsonEventOutput.WriteNumber(json, "submissionWindowEnd", preconf.SubmissionWindowEnd);
        json.WriteString("proverAuth", preconf.ProverAuth.ToString());
        JsonEventOutput.WriteNumber(json, "proposalId", preconf.ProposalId);
        json.WriteString("slasher", slasher.ToString());
        json.WriteString("signature", "0x" + Convert.ToHexStringLower(signature.AsSpan()));
    }

    private static async Task<ExitCode> TxListAsync(
        LightPeer light, NodeSettings settings, Bytes32 hash, string? file, CancellationToken cancellationToken)
    {
        GetRawTxListResponse answer = await light.Handle.RequestTxListAsync(hash, light.Peer, cancellationToken).ConfigureAwait(false);
        if (!answer.IsFound)
        {
            throw new CommandException(ExitCode.NotFound, "empty", $"{light.Peer} does not have the txlist {hash}");
        }

        if (file == "-")
        {
            using Stream stdout = Console.OpenStandardOutput();
            stdout.Write(answer.TxList.Span);
            return ExitCode.Ok;
        }

        if (file is not null)
        {
            await File.WriteAllBytesAsync(file, answer.TxList, cancellationToken).ConfigureAwait(false);
        }

        if (settings.Json)
        {
            JsonLines.StandardOutput.Write(json =>
            {
                json.WriteString("hash", hash.ToString());
                json.WriteNumber("bytes", answer.TxList.Length);
                json.WriteString(file is null ? "txList" : "file", file ?? "0x" + Convert.ToHexStringLower(answer.TxList.Span));
            });
            return ExitCode.Ok;
        }

        Table table = new("TXLIST", "BYTES", "WRITTEN TO");
        table.Add(hash.ToString(), answer.TxList.Length.ToString(System.Globalization.CultureInfo.InvariantCulture), file ?? "nowhere; --out FILE keeps them");
        Console.Out.Write(table);
        return ExitCode.Ok;
    }
}
