using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Types;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>publish</c>: signs and publishes one block's txlist and commitment through a peer.</summary>
internal static class PublishCommand
{
    private const ulong SlotSeconds = 2;
    private static readonly TimeSpan[] Looks = [.. new[] { 100, 300, 600, 1000, 2000 }.Select(ms => TimeSpan.FromMilliseconds(ms))];

    private static readonly Option<string> Key = new("--key") { HelpName = "FILE", Description = "the preconfer's key file, as `key make` writes it", Required = true };
    private static readonly Option<string> Block = new("--block") { HelpName = "N", Description = "the L2 block", Required = true };
    private static readonly Option<string> TxList = new("--txlist") { HelpName = "FILE", Description = "the block's transactions as carried (zlib of their RLP list); none: a handoff, with --eop" };
    private static readonly Option<string> Timestamp = new("--timestamp") { HelpName = "SECONDS", Description = "the block's time, Unix seconds [default: now]" };
    private static readonly Option<string> WindowEnd = new("--window-end") { HelpName = "SECONDS", Description = "end of the submission window [default: 2 s after the block's time]" };
    private static readonly Option<string> GasLimit = new("--gas-limit") { HelpName = "N", Description = "the block's gas limit [default: 0]" };
    private static readonly Option<string> Coinbase = new("--coinbase") { HelpName = "ADDRESS", Description = "who receives the fees [default: zero]" };
    private static readonly Option<string> Anchor = new("--anchor") { HelpName = "N", Description = "the L1 anchor block [default: 0]" };
    private static readonly Option<string> Parent = new("--parent") { HelpName = "HASH", Description = "the parent's preconfirmation hash [default: of the peer's commitment for the block before; zero if it has none]" };
    private static readonly Option<string> Prover = new("--prover") { HelpName = "ADDRESS", Description = "who may prove the block [default: zero]" };
    private static readonly Option<string> Proposal = new("--proposal-id") { HelpName = "N", Description = "the proposal the block belongs to [default: 0]" };
    private static readonly Option<bool> Eop = new("--eop") { Description = "end of preconfirmation: the next committer is expected from here" };

    /// <summary>Makes the command.</summary>
    public static Command Create() => PeerCommand.Create(
        "publish",
        "Sign a block's commitment and publish it and the txlist; done when the peer holds both.",
        [Key, Block, TxList, Timestamp, WindowEnd, GasLimit, Coinbase, Anchor, Parent, Prover, Proposal, Eop],
        Prepare);

    private static PeerCommand.Work Prepare(ParseResult parse, List<string> faults)
    {
        T Read<T>(Option<string> option, T fallback) => PeerCommand.Read(option.Name, parse.GetValue(option), fallback, faults);

        UInt256 timestamp = Read(Timestamp, (UInt256)(ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        timestamp.TryAdd(SlotSeconds, out UInt256 slotEnd);
        byte[] txList = ReadTxList(parse.GetValue(TxList), parse.GetValue(Eop), faults);
        Preconfirmation preconf = new()
        {
            Eop = parse.GetValue(Eop),
            BlockNumber = Read(Block, UInt256.Zero),
            Timestamp = timestamp,
            GasLimit = Read(GasLimit, UInt256.Zero),
            Coinbase = Read(Coinbase, default(Address)),
            AnchorBlockNumber = Read(Anchor, UInt256.Zero),
            RawTxListHash = txList.Length == 0 ? default : Keccak256.Hash(txList),
            ParentPreconfirmationHash = Read(Parent, default(Bytes32)),
            SubmissionWindowEnd = Read(WindowEnd, slotEnd),
            ProverAuth = Read(Prover, default(Address)),
            ProposalId = Read(Proposal, UInt256.Zero),
        };
        bool findParent = parse.GetValue(Parent) is null;
        string key = parse.GetValue(Key)!;
        if (!File.Exists(key))
        {
            faults.Add($"{Key.Name}: there is no file {key}");
        }

        return (light, settings, _, token) => PublishAsync(light, settings, key, txList, preconf, findParent, token);
    }

    private static byte[] ReadTxList(string? file, bool eop, List<string> faults)
    {
        if (file is null)
        {
            if (!eop)
            {
                faults.Add($"{TxList.Name}: none given; only a handoff ({Eop.Name}) goes without");
            }

            return [];
        }

        try
        {
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.Length is 0 or > PreconfLimits.MaxTxListBytes)
            {
                faults.Add($"{TxList.Name}: {file} has {bytes.Length} bytes; 1 to {PreconfLimits.MaxTxListBytes} are possible");
            }

            return bytes;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            faults.Add($"{TxList.Name}: {error.Message}");
            return [];
        }
    }

    private static async Task<ExitCode> PublishAsync(
        LightPeer light, NodeSettings settings, string key, byte[] txList, Preconfirmation preconf, bool findParent, CancellationToken cancellationToken)
    {
        using PreconfSigner signer = Signer(key);
        if (findParent)
        {
            preconf = preconf with { ParentPreconfirmationHash = await ParentAsync(light, preconf.BlockNumber, cancellationToken).ConfigureAwait(false) };
        }

        Bytes32 domain = settings.Node.Domain;
        PreconfCommitment commitment = new(in preconf, settings.Node.Slasher ?? default);
        SignedCommitment signed = signer.Sign(in domain, in commitment);

        await light.Handle.WaitForSubscriberAsync(System.Threading.Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        PublishResult? list = txList.Length == 0 ? null : await light.Handle.PublishTxListAsync(txList, cancellationToken).ConfigureAwait(false);
        PublishResult sent = await light.Handle.PublishCommitmentAsync(signed, cancellationToken).ConfigureAwait(false);
        bool held = sent.IsSent && list is null or { IsSent: true } && await IsHeldAsync(light, signed, cancellationToken).ConfigureAwait(false);
        Print(settings, in signed, signer.Address, list, sent, held);
        return held ? ExitCode.Ok : throw new CommandException(
            ExitCode.Refused, "not_taken", $"{light.Peer} does not hold block {preconf.BlockNumber} as published (outcome {sent.Outcome}): is {signer.Address} a signer it expects, and are chain, domain and slasher its own?");
    }

    private static PreconfSigner Signer(string key)
    {
        byte[] secret;
        try
        {
            secret = SecretKeyFile.Read(key);
        }
        catch (IOException error)
        {
            throw new CommandException(ExitCode.CannotStart, "key", error.Message, error);
        }

        try
        {
            return new PreconfSigner(secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static async Task<Bytes32> ParentAsync(LightPeer light, UInt256 block, CancellationToken cancellationToken)
    {
        if (!block.TrySubtract(UInt256.One, out UInt256 before))
        {
            return default;
        }

        CommitmentsAnswer page = await light.Handle.RequestCommitmentsAsync(before, 1, light.Peer, cancellationToken).ConfigureAwait(false);
        if (page.Skipped.Count != 0)
        {
            throw new NetworkException(
                NetworkErrorKind.ReqRespValidation, $"the peer's commitment of block {before} is not accepted here ({page.Skipped[0].Outcome}); name the parent with {Parent.Name}");
        }

        return page.Commitments.Count == 1 && page.Commitments[0].Commitment.Preconf.BlockNumber == before
            ? PreconfSigning.PreconfirmationHash(page.Commitments[0].Commitment.Preconf)
            : default;
    }

    // Publishing ends when the message is queued for the peer; only the peer itself can say that it took it. The two messages may be taken in any order.
    private static async Task<bool> IsHeldAsync(LightPeer light, SignedCommitment signed, CancellationToken cancellationToken)
    {
        Preconfirmation preconf = signed.Commitment.Preconf;
        foreach (TimeSpan pause in Looks)
        {
            await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            GetCommitmentsByNumberResponse page =
                await light.Handle.RequestCommitmentsAsync(preconf.BlockNumber, 1, light.Peer, cancellationToken).ConfigureAwait(false);
            bool held = page.Commitments.Count == 1 && page.Commitments[0] == signed;
            if (held && (preconf.RawTxListHash.IsZero
                || (await light.Handle.RequestTxListAsync(preconf.RawTxListHash, light.Peer, cancellationToken).ConfigureAwait(false)).IsFound))
            {
                return true;
            }
        }

        return false;
    }

    private static void Print(NodeSettings settings, in SignedCommitment signed, Address signer, PublishResult? list, PublishResult sent, bool held)
    {
        Preconfirmation preconf = signed.Commitment.Preconf;
        Bytes32 hash = PreconfSigning.PreconfirmationHash(in preconf);
        if (settings.Json)
        {
            JsonLines.StandardOutput.Write(json =>
            {
                JsonEventOutput.WriteNumber(json, "block", preconf.BlockNumber);
                json.WriteString("hash", hash.ToString());
                json.WriteString("parent", preconf.ParentPreconfirmationHash.ToString());
                json.WriteString("txListHash", preconf.RawTxListHash.ToString());
                json.WriteString("signer", signer.ToString());
                json.WriteNumber("txListPeers", list?.Peers ?? 0);
                json.WriteNumber("commitmentPeers", sent.Peers);
                json.WriteBoolean("held", held);
            });
            return;
        }

        static string Peers(PublishResult result) => string.Create(CultureInfo.InvariantCulture, $"{result.Outcome}, {result.Peers} {(result.Peers == 1 ? "peer" : "peers")}");
        Table table = new();
        table.Add("block", preconf.BlockNumber.ToString());
        table.Add("signer", signer.ToString());
        table.Add("parent", preconf.ParentPreconfirmationHash.ToString());
        table.Add("commitment", $"{hash}  {Peers(sent)}");
        table.Add("txlist", list is { } known ? $"{preconf.RawTxListHash}  {Peers(known)}" : "none");
        table.Add("held", held ? "yes: the peer serves both" : "no");
        Console.Out.Write(table);
    }
}
