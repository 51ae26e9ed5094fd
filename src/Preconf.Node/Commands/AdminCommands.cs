using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Node.Admin;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary><c>peers</c>, <c>status</c>, <c>connect</c>, <c>explain</c>, bans, blocks and protections: asking a running node through its admin socket.</summary>
internal static class AdminCommands
{
    private static readonly Argument<string> Address = new("address") { HelpName = "MULTIADDR|ENR", Description = "whom to dial; with …/p2p/PEER_ID nobody else is accepted" };
    private static readonly Argument<string> Peer = new("peer") { HelpName = "PEER_ID", Description = "the peer's id, or an address of it that ends in /p2p/PEER_ID" };
    private static readonly Argument<string> Target = new("target") { HelpName = "PEER|ADDRESS|SUBNET", Description = "a peer's id, an IP address, or a subnet such as 10.0.0.0/8" };
    private static readonly Option<string> Timeout = new("--timeout") { HelpName = "TIME", Description = "give up after this, e.g. 10, 2.5s, 500ms", DefaultValueFactory = _ => "10" };
    private static readonly Option<string?> BanFor = new("--for") { HelpName = "TIME", Description = "how long, e.g. 90, 10m, 2h [default: the node's, 1 h]" };
    private static readonly Option<string?> BanReason = new("--reason") { HelpName = "TEXT", Description = "why; bans and explain show it" };
    private static readonly Option[] Settings = [NodeOptions.DataDirectory, NodeOptions.Json];

    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Create() =>
    [
        Make("peers", "Show the peers of the running node.", null, (_, _) => Verb(AdminVerbs.Peers), ShowPeers),
        Make("status", "Show how the running node is: where it listens, whether others reach it and how it knows, its peers.", null, (_, _) => Verb(AdminVerbs.Status), ShowStatus),
        Make("connect", "Have the running node dial a peer; done when it is connected.", Address, (parse, faults) =>
        {
            string address = DialableOf(parse.GetValue(Address)!, faults);
            return json =>
            {
                json.WriteString("verb", AdminVerbs.Connect);
                json.WriteString("address", address);
            };
        }, (answer, settings) => Show(answer, settings, "peer", "connected to")),
        MakeBan(),
        Make("unban", "Lift a ban; the peer's score starts again from zero.", Peer, (parse, faults) => PeerVerb(AdminVerbs.Unban, parse, faults), (answer, settings) => Show(answer, settings, "peer", "no longer banned")),
        Make("block", "Close the running node's connections with a peer, an address or a subnet, and make and take none until it is unblocked; kept across restarts.", Target, (parse, faults) => TargetVerb(AdminVerbs.Block, parse, faults), (answer, settings) => Show(answer, settings, "target", "blocked")),
        Make("unblock", "Lift a block; one of the settings is back at the next start.", Target, (parse, faults) => TargetVerb(AdminVerbs.Unblock, parse, faults), (answer, settings) => Show(answer, settings, "target", "no longer blocked")),
        Make("protect", "Lift the limits on dials and connections for a peer, and spare its addresses when others are banned; kept across restarts.", Peer, (parse, faults) => PeerVerb(AdminVerbs.Protect, parse, faults), (answer, settings) => Show(answer, settings, "peer", "protected")),
        Make("unprotect", "Lift a protection; one of the settings is back at the next start.", Peer, (parse, faults) => PeerVerb(AdminVerbs.Unprotect, parse, faults), (answer, settings) => Show(answer, settings, "peer", "no longer protected")),
        Make("blocks", "Show what is blocked and who is protected, by the settings and since.", null, (_, _) => Verb(AdminVerbs.Blocks), ShowBlocks),
        Make("bans", "Show who is banned, until when, why, and with which addresses.", null, (_, _) => Verb(AdminVerbs.Bans), ShowBans),
        Make("explain", "Show where a peer stands, and the last reasons why.", Peer, (parse, faults) => PeerVerb(AdminVerbs.Explain, parse, faults), ShowStanding),
    ];

    /// <summary>Adds the options of a command that asks the running node.</summary>
    /// <param name="command">The command.</param>
    public static void AddOptions(Command command)
    {
        command.Options.Add(Timeout);
        NodeOptions.AddTo(command, Settings);
    }

    /// <summary>Reads the settings of such a command.</summary>
    /// <param name="parse">The command line.</param>
    /// <exception cref="P2pConfigException">Faults.</exception>
    public static NodeSettings ReadSettings(ParseResult parse) => SettingSources.Read(parse, Settings);

    /// <summary>Asks the running node within the time of the command line.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="settings">The settings: which node.</param>
    /// <param name="faults">Faults found so far; they end the command.</param>
    /// <param name="request">Writes the request.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="P2pConfigException">There are faults.</exception>
    /// <exception cref="CommandException">The node is not there or refused.</exception>
    public static async Task<JsonElement> AskAsync(ParseResult parse, NodeSettings settings, List<string> faults, Action<Utf8JsonWriter> request)
    {
        TimeSpan timeout = PeerCommand.ReadTime(Timeout.Name, parse.GetValue(Timeout), PeerCommand.LongestTimeout, faults);
        if (settings.Node.DataDirectory.Length == 0)
        {
            faults.Add("--data-dir: there is no default here; name a folder");
        }

        if (faults.Count != 0)
        {
            throw new P2pConfigException(faults);
        }

        using StopSignals signals = new();
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
        deadline.CancelAfter(timeout);
        try
        {
            return await AdminClient.AskAsync(settings.Node.DataDirectory, request, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (deadline.IsCancellationRequested)
        {
            throw signals.Token.IsCancellationRequested
                ? new CommandException(ExitCode.Interrupted, "interrupted", "interrupted before it was done", error)
                : new CommandException(ExitCode.TimedOut, "timeout", string.Create(CultureInfo.InvariantCulture, $"the node did not answer within {timeout.TotalSeconds:0.###} s"), error);
        }
        catch (AdminException error)
        {
            throw new CommandException(CodeOf(error.Code), error.Code, error.Message, error);
        }
    }

    /// <summary>A request without arguments.</summary>
    /// <param name="verb">What is asked for.</param>
    public static Action<Utf8JsonWriter> Verb(string verb) => json => json.WriteString("verb", verb);

    private static Command MakeBan()
    {
        Command command = Make("ban", "Have the running node close its connections with a peer and take none until the ban ends.", Peer, (parse, faults) =>
        {
            Action<Utf8JsonWriter> peer = PeerVerb(AdminVerbs.Ban, parse, faults);
            TimeSpan? duration = parse.GetValue(BanFor) is { } text ? PeerCommand.ReadTime(BanFor.Name, text, TimeSpan.FromSeconds(AdminVerbs.MaxBanSeconds), faults) : null;
            string? reason = parse.GetValue(BanReason);
            return json =>
            {
                peer(json);
                if (duration is { } time)
                {
                    json.WriteNumber("seconds", time.TotalSeconds);
                }

                if (reason is not null)
                {
                    json.WriteString("reason", reason);
                }
            };
        }, (answer, settings) => Show(answer, settings, "peer", "banned"));
        command.Options.Add(BanFor);
        command.Options.Add(BanReason);
        return command;
    }

    private static Action<Utf8JsonWriter> PeerVerb(string verb, ParseResult parse, List<string> faults)
    {
        string text = parse.GetValue(Peer)!;
        PeerId? peer = PeerId.TryParse(text, out PeerId? id) ? id : Multiaddr.TryParse(text, out Multiaddr? address) ? address.PeerId : null;
        if (peer is null)
        {
            faults.Add($"PEER_ID: '{text}' is not a peer id, e.g. 16Uiu2…");
        }

        return json =>
        {
            json.WriteString("verb", verb);
            json.WriteString("peer", peer!.ToString());
        };
    }

    private static Action<Utf8JsonWriter> TargetVerb(string verb, ParseResult parse, List<string> faults)
    {
        string text = parse.GetValue(Target)!;
        if (!BlockTarget.TryParse(text, out BlockTarget? target))
        {
            faults.Add($"PEER|ADDRESS|SUBNET: '{text}' is neither a peer id, nor an IP address, nor a subnet such as 10.0.0.0/8");
        }

        return json =>
        {
            json.WriteString("verb", verb);
            json.WriteString("target", target!.ToString());
        };
    }

    private static Command Make(
        string name, string description, Argument? argument, Func<ParseResult, List<string>, Action<Utf8JsonWriter>> prepare, Action<JsonElement, NodeSettings> show)
    {
        Command command = new(name, description);
        if (argument is not null)
        {
            command.Arguments.Add(argument);
        }

        AddOptions(command);
        command.SetAction(async (parse, _) =>
        {
            NodeSettings settings = ReadSettings(parse);
            List<string> faults = [];
            Action<Utf8JsonWriter> request = prepare(parse, faults);
            show(await AskAsync(parse, settings, faults, request).ConfigureAwait(false), settings);
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string DialableOf(string text, List<string> faults)
    {
        if (!text.StartsWith("enr:", StringComparison.Ordinal))
        {
            if (!Multiaddr.TryParse(text, out _))
            {
                faults.Add($"MULTIADDR: '{text}' is not a multiaddr; write e.g. /ip4/192.0.2.1/tcp/9000/p2p/16Uiu2…");
            }

            return text;
        }

        if (!Enr.TryParse(text, out Enr? record, out string? fault))
        {
            faults.Add($"ENR: {fault}");
            return text;
        }

        if (record.DialableAddresses() is [var address, ..])
        {
            return address.ToString();
        }

        faults.Add("ENR: it names no IP address with a TCP or QUIC port, so nobody can dial it");
        return text;
    }

    private static ExitCode CodeOf(string code) => code switch
    {
        "dial_failed" or "gate_blocked" or "send_command_failed" => ExitCode.NoConnection,
        AdminException.NotFound => ExitCode.NotFound,
        AdminException.Internal => ExitCode.Unexpected,
        _ => ExitCode.Refused,
    };

    private static void ShowStatus(JsonElement answer, NodeSettings settings)
    {
        if (settings.Json)
        {
            WriteLine(answer);
        }
        else
        {
            Console.Out.Write(NodeStatus.Describe(answer));
        }
    }

    private static void Show(JsonElement answer, NodeSettings settings, string name, string done)
    {
        string what = answer.GetProperty(name).GetString()!;
        if (settings.Json)
        {
            JsonLines.StandardOutput.Write(json => json.WriteString(name, what));
        }
        else
        {
            Console.Out.WriteLine($"{done} {what}");
        }
    }

    private static void ShowBlocks(JsonElement answer, NodeSettings settings)
    {
        Table table = new("RULE", "TARGET");
        foreach ((string list, string rule, string name) in new[] { ("blocks", "block", "target"), ("protected", "protect", "peer") })
        {
            foreach (string what in answer.GetProperty(list).EnumerateArray().Select(element => element.GetString()!))
            {
                if (settings.Json)
                {
                    JsonLines.StandardOutput.Write(json =>
                    {
                        json.WriteString("rule", rule);
                        json.WriteString(name, what);
                    });
                }
                else
                {
                    table.Add(rule, what);
                }
            }
        }

        if (!settings.Json)
        {
            Console.Out.Write(table);
        }
    }

    private static void ShowPeers(JsonElement answer, NodeSettings settings)
    {
        Table table = new("PEER", "WAY", "TRANSPORT", "SINCE", "TOPICS", "LATENCY", "SCORE", "STANDING", "ADDRESS", "AGENT");
        foreach (JsonElement peer in answer.GetProperty("peers").EnumerateArray())
        {
            if (settings.Json)
            {
                WriteLine(peer);
                continue;
            }

            string Of(string name) => peer.GetProperty(name).GetString()!;
            bool Is(string name) => peer.GetProperty(name).GetBoolean();
            double latency = peer.GetProperty("latencyMs").GetDouble();
            table.Add(
                Of("peer"), Is("outbound") ? "out" : "in", Of("transport"), Ago(DateTime.UtcNow - peer.GetProperty("since").GetDateTime()),
                (Is("commitments"), Is("txLists")) switch { (true, true) => "both", (true, false) => "commitments", (false, true) => "txlists", _ => "none" },
                latency > 0 ? string.Create(CultureInfo.InvariantCulture, $"{latency:0.0} ms") : "-",
                peer.GetProperty("score").GetDouble().ToString("0.##", CultureInfo.InvariantCulture),
                Is("trusted") ? "trusted" : Is("banned") ? "banned" : Is("greylisted") ? "greylisted" : "good", Of("address"), Of("agent"));
        }

        if (!settings.Json)
        {
            Console.Out.Write(table);
        }
    }

    private static void ShowBans(JsonElement answer, NodeSettings settings)
    {
        Table table = new("PEER", "UNTIL", "REASON", "NETWORK", "DETAIL");
        foreach (JsonElement ban in answer.GetProperty("bans").EnumerateArray())
        {
            if (settings.Json)
            {
                WriteLine(ban);
                continue;
            }

            table.Add(ban.GetProperty("peer").GetString()!, ban.GetProperty("until").GetString() ?? "for ever", ban.GetProperty("reason").GetString()!, ban.GetProperty("network").GetString() ?? "-", ban.GetProperty("detail").GetString() ?? string.Empty);
        }

        if (!settings.Json)
        {
            Console.Out.Write(table);
        }
    }

    private static void ShowStanding(JsonElement answer, NodeSettings settings)
    {
        if (settings.Json)
        {
            WriteLine(answer);
            return;
        }

        string state = answer.GetProperty("banned").GetBoolean() ? "banned" : answer.GetProperty("greylisted").GetBoolean() ? "greylisted" : "in good standing";
        string trusted = answer.GetProperty("trusted").GetBoolean() ? ", trusted" : string.Empty;
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{answer.GetProperty("peer").GetString()}: {state}{trusted}, score {answer.GetProperty("score").GetDouble():0.##}, preference {answer.GetProperty("preference").GetDouble():0.##}"));
        Table table = new("LAST", "REASON", "TIMES", "COST", "SCORE", "DETAIL");
        foreach (JsonElement entry in answer.GetProperty("history").EnumerateArray())
        {
            string Number(string name) => entry.GetProperty(name).GetDouble().ToString("0.##", CultureInfo.InvariantCulture);
            table.Add(Ago(DateTime.UtcNow - entry.GetProperty("at").GetDateTime()), entry.GetProperty("reason").GetString()!, Number("count"), Number("delta"), Number("score"), entry.GetProperty("detail").GetString() ?? string.Empty);
        }

        Console.Out.Write(table);
    }

    private static void WriteLine(JsonElement element) => JsonLines.StandardOutput.Write(json =>
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Name != "ok")
            {
                property.WriteTo(json);
            }
        }
    });

    private static string Ago(TimeSpan time) => time switch
    {
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalDays}d {time.Hours}h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Hours}h {time.Minutes}m"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}m {time.Seconds}s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, time.Seconds)}s"),
    };
}
