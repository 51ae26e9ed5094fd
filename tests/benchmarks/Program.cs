using System.Text.Json;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;

if (args is ["net-run", string name, ..])
{
    Scenario scenario = Scenario.All.FirstOrDefault(known => known.Name == name) ?? throw new ArgumentException($"no scenario '{name}'");
    string? count = args.SkipWhile(arg => arg != "--count").Skip(1).FirstOrDefault();
    NetOptions options = new(
        args.Contains("quic"), args.Contains("identity") ? GossipAuthor.Identity : GossipAuthor.Ed25519, count is null ? null : int.Parse(count, System.Globalization.CultureInfo.InvariantCulture));
    foreach (Result result in await scenario.RunAsync(options))
    {
        Console.WriteLine(JsonSerializer.Serialize(result, ResultJson.Default.Result));
    }
}

return 0;
