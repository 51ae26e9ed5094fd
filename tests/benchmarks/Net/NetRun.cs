using System.Globalization;
using System.Text.Json;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>One run of one scenario, with the options that <c>native/preconf-bench</c> has too; prints a line of JSON for each figure.</summary>
internal static class NetRun
{
    /// <returns>0: done; 2: the command line has a fault.</returns>
    public static async Task<int> RunAsync(string name, string[] args)
    {
        try
        {
            Scenario scenario = Scenario.All.FirstOrDefault(known => known.Name == name) ?? throw new FormatException($"no scenario '{name}'");
            NetOptions options = Parse(args);
            foreach (Result result in await scenario.RunAsync(options))
            {
                Console.WriteLine(JsonSerializer.Serialize(result, DocumentJson.Default.Result));
            }

            return 0;
        }
        catch (FormatException fault)
        {
            Console.Error.WriteLine($"error: {fault.Message}");
            Console.Error.WriteLine("usage: net-run SCENARIO [--transport tcp|quic] [--author identity|ed25519] [--count N] [--peer MULTIADDR]");
            return 2;
        }
    }

    private static NetOptions Parse(string[] args)
    {
        NetOptions options = new(Quic: false, GossipAuthor.Ed25519, Count: null, Peer: null);
        foreach (string[] pair in args.Chunk(2))
        {
            options = pair switch
            {
                ["--transport", "tcp"] => options with { Quic = false },
                ["--transport", "quic"] => options with { Quic = true },
                ["--author", "identity"] => options with { Author = GossipAuthor.Identity },
                ["--author", "ed25519"] => options with { Author = GossipAuthor.Ed25519 },
                ["--count", string count] when int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 => options with { Count = number },
                ["--peer", string peer] when Multiaddr.TryParse(peer, out Multiaddr? address) => options with { Peer = address },
                _ => throw new FormatException($"no option '{string.Join(' ', pair)}'"),
            };
        }

        return options;
    }
}
