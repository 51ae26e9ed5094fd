using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>key make</c> and <c>key show</c>.</summary>
internal static class KeyCommand
{
    private static readonly Option[] Settings = [NodeOptions.DataDirectory, NodeOptions.Json];
    private static readonly Option<string> KeyFile = new("--key") { HelpName = "FILE", Description = "the key file [default: node.key in the data directory]" };
    private static readonly Option<string> OutFile = new("--out") { HelpName = "FILE", Description = "where to write it [default: node.key in the data directory]" };
    private static readonly Option<string> Ip = new("--ip") { HelpName = "ADDRESS", Description = "the node's IP address, for the ENR" };
    private static readonly Option<int?> Tcp = new("--tcp") { HelpName = "PORT", Description = "its TCP port, for the ENR" };
    private static readonly Option<int?> Udp = new("--udp") { HelpName = "PORT", Description = "its UDP port of discovery, for the ENR" };
    private static readonly Option<ulong> Sequence = new("--seq") { HelpName = "N", Description = "the ENR's sequence number", DefaultValueFactory = _ => 1 };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Command make = new("make", "Make a key file, mode 0600. A file that is there already is left as it is.") { OutFile };
        NodeOptions.AddTo(make, Settings);
        make.SetAction(parse => (int)Make(parse, SettingSources.Read(parse, Settings)));

        Command show = new("show", "Show what a key stands for: peer id, address, public key and ENR.") { KeyFile, Ip, Tcp, Udp, Sequence };
        NodeOptions.AddTo(show, Settings);
        show.SetAction(parse => (int)ShowKey(parse, SettingSources.Read(parse, Settings)));
        return new Command("key", "Make and show the node's key.") { make, show };
    }

    private static ExitCode Make(ParseResult parse, NodeSettings settings)
    {
        string path = parse.GetValue(OutFile) ?? PathOf(settings);
        byte[] secret;
        try
        {
            secret = SecretKeyFile.Create(path);
        }
        catch (IOException error) when (File.Exists(path))
        {
            throw new CommandException(ExitCode.Refused, "exists", $"{path} is there already; move it away first, it may be the only copy of a node's identity", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Unexpected, "write", $"{path}: {error.Message}", error);
        }

        Print(settings, path, secret, new EnrEndpoints(), 1);
        return ExitCode.Ok;
    }

    private static ExitCode ShowKey(ParseResult parse, NodeSettings settings)
    {
        string path = parse.GetValue(KeyFile) ?? PathOf(settings);
        EnrEndpoints endpoints = Endpoints(parse);
        if (!File.Exists(path))
        {
            throw new CommandException(ExitCode.NotFound, "no_key", $"there is no key file {path}; `preconf-node key make` makes one");
        }

        try
        {
            Print(settings, path, SecretKeyFile.Read(path), endpoints, parse.GetValue(Sequence));
            return ExitCode.Ok;
        }
        catch (IOException error)
        {
            throw new CommandException(ExitCode.Refused, "key", error.Message, error);
        }
    }

    private static EnrEndpoints Endpoints(ParseResult parse)
    {
        List<string> faults = [];
        IPAddress? ip = null;
        if (parse.GetValue(Ip) is { } text && !IPAddress.TryParse(text, out ip))
        {
            faults.Add($"--ip: '{text}' is not an IP address");
        }

        int? tcp = Port(parse, Tcp, faults);
        int? udp = Port(parse, Udp, faults);
        if (faults.Count != 0)
        {
            throw new P2pConfigException(faults);
        }

        return ip?.AddressFamily == AddressFamily.InterNetworkV6
            ? new EnrEndpoints { Ip6 = ip, Tcp6 = tcp, Udp6 = udp }
            : new EnrEndpoints { Ip = ip, Tcp = tcp, Udp = udp };
    }

    private static int? Port(ParseResult parse, Option<int?> option, List<string> faults)
    {
        int? port = parse.GetValue(option);
        if (port is < 1 or > ushort.MaxValue)
        {
            faults.Add($"{option.Name}: {port} is not a port, 1 to {ushort.MaxValue}");
        }

        return port;
    }

    private static string PathOf(NodeSettings settings) => settings.Node.DataDirectory.Length == 0
        ? throw new P2pConfigException("--data-dir: there is no default here; name a folder")
        : P2pNode.KeyFile(settings.Node.DataDirectory);

    private static void Print(NodeSettings settings, string path, byte[] secret, EnrEndpoints endpoints, ulong sequence)
    {
        try
        {
            Enr record = Enr.Sign(secret, endpoints, sequence);
            Address address = Secp256k1.AddressOfSecret(secret);
            (string Name, string Title, string Value)[] fields =
            [
                ("file", "key file", Path.GetFullPath(path)),
                ("peerId", "peer id", record.PeerId.ToString()),
                ("address", "address", address.ToString()),
                ("publicKey", "public key", "0x" + Convert.ToHexStringLower(record.PublicKey.Span)),
                ("enr", "ENR", record.ToString()),
            ];
            if (settings.Json)
            {
                JsonLines.StandardOutput.Write(json => Array.ForEach(fields, field => json.WriteString(field.Name, field.Value)));
                return;
            }

            Table table = new();
            Array.ForEach(fields, field => table.Add(field.Title, field.Value));
            Console.Out.Write(table);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}
