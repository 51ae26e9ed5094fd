namespace Preconf.Node.ProgramTests;

public sealed class SettingsTests
{
    private const string Tcp = "/ip4/127.0.0.1/tcp/0";

    [Fact]
    public async Task EveryFaultIsNamedAtOnceByWhatTheUserWrote()
    {
        using TestFolder folder = new();
        string file = folder.Write("node.json", """{ "gossip": { "meshN": "many" }, "chianId": 1, "requestTimeout": "9h" }""");
        Finished finished = await ProgramProcess.RunAsync(
            ["run", "--config", file, "--chain-id", "abc", "--listen", Tcp, "--listen", "nowhere", "--static-peer", "/ip4/192.0.2.1/tcp/1", "--slasher", "0x12"],
            new() { ["PRECONF_DOMAIN"] = "0xzz", ["PRECONF_EPHEMERAL_KEY"] = "perhaps" });

        Assert.Equal(2, finished.ExitCode);
        Assert.Empty(finished.Output);
        string[] wanted =
        [
            "--chain-id: 'abc'", "--listen[1]: 'nowhere'", "--static-peer[0]: '/ip4/192.0.2.1/tcp/1'", "--slasher: '0x12'", "PRECONF_DOMAIN: '0xzz'",
            "PRECONF_EPHEMERAL_KEY: 'perhaps'", "node.json: gossip.meshN: 'many'", "node.json: chianId: there is no such setting", "node.json: requestTimeout: ",
            "--expected-signer: none given",
        ];
        Assert.All(wanted, fault => Assert.Contains("  - " + fault, finished.Errors, StringComparison.Ordinal));
        Assert.Equal(wanted.Length, finished.Errors.Split("  - ").Length - 1);
    }

    [Theory]
    [InlineData("run", "--bogus")]
    [InlineData("bogus")]
    [InlineData("run", "--chain-id")]
    [InlineData("key")]
    [InlineData("head")]
    public async Task AWrongCommandLineIsAUsageError(params string[] arguments)
    {
        Finished finished = await ProgramProcess.RunAsync(arguments);
        Assert.Equal(2, finished.ExitCode);
        Assert.Contains("error[usage]", finished.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true, "chain 3", 1)]
    [InlineData(false, true, "chain 2", 2)]
    [InlineData(false, false, "chain 1", 3)]
    public async Task FlagsWinOverTheEnvironmentAndThatOverTheFile(bool flags, bool environment, string chain, int listeners)
    {
        using TestFolder folder = new();
        string file = folder.Write("node.json", $$"""
            {
              // Comments are fine, so are trailing commas.
              "chainId": 1,
              "listen": ["{{Tcp}}", "{{Tcp}}", "{{Tcp}}"],
              "ephemeralKey": true,
              "enableDiscovery": false,
              "expectedSigners": ["0x00000000000000000000000000000000000000aa"],
              "gossip": { "heartbeat": "700ms" },
            }
            """);
        Dictionary<string, string> variables = new() { ["PRECONF_CONFIG"] = file };
        if (environment)
        {
            variables["PRECONF_CHAIN_ID"] = "2";
            variables["PRECONF_CHIAN_ID"] = "4";
            variables["PRECONF_LISTEN"] = $"{Tcp};{Tcp}";
        }

        await using ProgramProcess node = ProgramProcess.Start(["run", .. flags ? new[] { "--chain-id", "3", "--listen", Tcp, "--any-signer" } : []], variables);
        Assert.EndsWith(chain, await node.WaitForTextAsync("preconf-node"), StringComparison.Ordinal);
        node.Signal(ProgramProcess.SigTerm);
        Finished finished = await node.FinishAsync();
        Assert.Equal(0, finished.ExitCode);
        Assert.Equal(environment, finished.Errors.Contains("PRECONF_CHIAN_ID is not a setting", StringComparison.Ordinal));
        Assert.Equal(listeners, finished.Output.Split("listens on").Length - 1);
    }

    [Fact]
    public async Task NotTakingEverySignerLeavesTheExpectedOnesOfTheFile()
    {
        using TestFolder folder = new();
        string file = folder.Write("node.json", """{ "expectedSigners": ["0x00000000000000000000000000000000000000aa"], "enableDiscovery": false, "ephemeralKey": true }""");
        Dictionary<string, string> notAny = new() { ["PRECONF_ANY_SIGNER"] = "false" };
        await using ProgramProcess node = ProgramProcess.Start(["run", "--config", file, "--listen", Tcp], notAny);
        await node.WaitForTextAsync("listens on");
        node.Signal(ProgramProcess.SigTerm);
        Assert.Equal(0, (await node.FinishAsync()).ExitCode);

        Finished nobody = await ProgramProcess.RunAsync(["run", "--listen", Tcp], notAny);
        Assert.Equal(2, nobody.ExitCode);
        Assert.Contains("--expected-signer: none given", nobody.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileThatIsMissingOrBrokenIsNamed()
    {
        using TestFolder folder = new();
        Finished missing = await ProgramProcess.RunAsync("run", "--any-signer", "--config", folder["none.json"]);
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("none.json: there is no such file", missing.Errors, StringComparison.Ordinal);
        Finished broken = await ProgramProcess.RunAsync("run", "--any-signer", "--config", folder.Write("broken.json", "{ nothing"));
        Assert.Equal(2, broken.ExitCode);
        Assert.Contains("broken.json", broken.Errors, StringComparison.Ordinal);
    }
}
