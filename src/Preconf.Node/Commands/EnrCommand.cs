using System.Buffers.Binary;
using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Preconf.Native.Protocol;
using Preconf.Node.Admin;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>enr</c>: what a node record says, or the running node's.</summary>
internal static class EnrCommand
{
    private static readonly Argument<string?> Text = new("enr") { HelpName = "ENR", Description = "the record's text, enr:…; without it the running node's own", Arity = ArgumentArity.ZeroOrOne };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Command command = new("enr", "Show what a node record (ENR) says, key by key; without one, the record of the running node.") { Text };
        AdminCommands.AddOptions(command);
        command.SetAction(async (parse, _) => (int)await RunAsync(parse).ConfigureAwait(false));
        return command;
    }

    private static async Task<ExitCode> RunAsync(ParseResult parse)
    {
        NodeSettings settings = AdminCommands.ReadSettings(parse);
        string text = parse.GetValue(Text) is { } given
            ? given.Trim()
            : (await AdminCommands.AskAsync(parse, settings, [], AdminCommands.Verb(AdminVerbs.Record)).ConfigureAwait(false)).GetProperty("enr").GetString()!;
        if (!Enr.TryParse(text, out Enr? record, out string? fault))
        {
            throw new CommandException(ExitCode.Usage, "enr", $"not a node record: {fault}");
        }

        if (settings.Json)
        {
            JsonLines.StandardOutput.Write(json => Write(json, record));
        }
        else
        {
            Console.Out.Write(Render(record));
        }

        return ExitCode.Ok;
    }

    private static void Write(Utf8JsonWriter json, Enr record)
    {
        json.WriteString("enr", record.ToString());
        json.WriteString("peerId", record.PeerId.ToString());
        json.WriteNumber("sequence", record.Sequence);
        json.WriteNumber("bytes", record.Record.Length);
        json.WriteStartArray("pairs");
        foreach ((string key, ReadOnlyMemory<byte> value) in record.Pairs)
        {
            (string meaning, string? shown) = Explain(record, key, value.Span);
            json.WriteStartObject();
            json.WriteString("key", Printable(key));
            json.WriteString("hex", "0x" + Convert.ToHexStringLower(value.Span));
            json.WriteString("meaning", meaning);
            if (shown is not null)
            {
                json.WriteString("value", shown);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Render(Enr record)
    {
        Table table = new("KEY", "VALUE", "MEANING");
        table.Add("(signature)", "good", "made with the key below, over all the rest");
        table.Add("(seq)", record.Sequence.ToString(CultureInfo.InvariantCulture), "grows with each new record of the node");
        table.Add("(peer id)", record.PeerId.ToString(), "libp2p's name of the key below");
        foreach ((string key, ReadOnlyMemory<byte> value) in record.Pairs)
        {
            (string meaning, string? shown) = Explain(record, key, value.Span);
            table.Add(Printable(key), shown ?? "0x" + Convert.ToHexStringLower(value.Span), meaning);
        }

        return table.ToString();
    }

    // The addresses and ports have been checked by Enr; what else does not have its form is shown as hex.
    private static (string Meaning, string? Value) Explain(Enr record, string key, ReadOnlySpan<byte> value) => key switch
    {
        "id" => ("identity scheme (EIP-778)", Printable(Encoding.Latin1.GetString(value))),
        "secp256k1" => ("the node's public key, compressed", null),
        "ip" => ("IPv4 address", new IPAddress(value).ToString()),
        "ip6" => ("IPv6 address", new IPAddress(value).ToString()),
        "tcp" => ("TCP port of libp2p", Port(value)),
        "udp" => ("UDP port of discovery", Port(value)),
        "tcp6" => ("TCP port of libp2p, IPv6", Port(value)),
        "udp6" => ("UDP port of discovery, IPv6", Port(value)),
        "quic" => ("UDP port of libp2p over QUIC", Port(value)),
        "quic6" => ("UDP port of libp2p over QUIC, IPv6", Port(value)),
        "preconf" => ("preconfirmation network: chain id and protocol version",
            record.Network is { } network ? string.Create(CultureInfo.InvariantCulture, $"chain {network.ChainId}, version {network.ProtocolVersion}") : null),
        "opstack" => ("OP stack: chain id and version", OpStack(value)),
        "eth2" => ("consensus layer: fork digest, next fork's version and epoch", null),
        "attnets" => ("consensus layer: attestation subnets, a bit each", null),
        "syncnets" => ("consensus layer: sync committee subnets, a bit each", null),
        _ => ("unknown here", null),
    };

    private static string? Port(ReadOnlySpan<byte> value) => value.Length switch
    {
        1 => value[0].ToString(CultureInfo.InvariantCulture),
        2 => BinaryPrimitives.ReadUInt16BigEndian(value).ToString(CultureInfo.InvariantCulture),
        _ => null,
    };

    // Two numbers, 7 bits a byte, the lowest first.
    private static string? OpStack(ReadOnlySpan<byte> value)
    {
        return TryVarint(ref value, out ulong chain) && TryVarint(ref value, out ulong version) && value.IsEmpty
            ? string.Create(CultureInfo.InvariantCulture, $"chain {chain}, version {version}")
            : null;
    }

    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (int i = 0; i < Math.Min(bytes.Length, 9); i++)
        {
            value |= (ulong)(bytes[i] & 0x7f) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    private static string Printable(string text) => string.Concat(text.Select(letter => letter is > ' ' and <= '~' ? letter.ToString() : $"\\x{(int)letter:x2}"));
}
