using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Node.Configuration;
using Preconf.Node.Output;

namespace Preconf.Node.Commands;

/// <summary>What the commands have in common that talk to one peer: its flags, its deadline, its failures.</summary>
internal static class PeerCommand
{
    /// <summary>The longest <c>--timeout</c>.</summary>
    public static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(1);

    private const string DefaultTimeout = "10";
    private static readonly Option<string> Peer = new("--peer") { HelpName = "MULTIADDR", Description = "whom to talk to; with …/p2p/PEER_ID nobody else is accepted", Required = true };
    private static readonly Option<string> Timeout = new("--timeout") { HelpName = "TIME", Description = "give up after this, e.g. 10, 2.5s, 500ms", DefaultValueFactory = _ => DefaultTimeout };

    /// <summary>Makes a command.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="own">The arguments and options it has of its own.</param>
    /// <param name="prepare">Reads its own arguments, adding faults, and gives what to do with the peer.</param>
    public static Command Create(string name, string description, IEnumerable<Symbol> own, Func<ParseResult, List<string>, Work> prepare)
    {
        Command command = new(name, description) { Peer, Timeout };
        foreach (Symbol symbol in own)
        {
            if (symbol is Argument argument)
            {
                command.Arguments.Add(argument);
            }
            else
            {
                command.Options.Add((Option)symbol);
            }
        }

        NodeOptions.AddTo(command, NodeOptions.Light);
        command.SetAction(async (parse, _) => (int)await RunAsync(parse, prepare).ConfigureAwait(false));
        return command;
    }

    /// <summary>Reads a text of the command line.</summary>
    /// <typeparam name="T">What it stands for.</typeparam>
    /// <param name="name">What to call it in a fault.</param>
    /// <param name="text">The text; null when it was not given.</param>
    /// <param name="fallback">The value when it was not given.</param>
    /// <param name="faults">Takes the fault.</param>
    public static T Read<T>(string name, string? text, T fallback, List<string> faults)
    {
        if (text is null)
        {
            return fallback;
        }

        if (SettingText.TryConvert(typeof(T), text, out object? value, out string wanted))
        {
            return (T)value!;
        }

        faults.Add($"{name}: '{text}' is not {wanted}");
        return fallback;
    }

    /// <summary>Reads a time of the command line that must be above zero.</summary>
    /// <param name="name">What to call it in a fault.</param>
    /// <param name="text">The text.</param>
    /// <param name="most">The longest.</param>
    /// <param name="faults">Takes the fault.</param>
    public static TimeSpan ReadTime(string name, string? text, TimeSpan most, List<string> faults)
    {
        int before = faults.Count;
        TimeSpan time = Read(name, text, TimeSpan.Zero, faults);
        if (faults.Count == before && (time <= TimeSpan.Zero || time > most))
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: '{text}' is not above 0 and at most {Math.Floor(most.TotalHours)}h"));
        }

        return time;
    }

    private static async Task<ExitCode> RunAsync(ParseResult parse, Func<ParseResult, List<string>, Work> prepare)
    {
        List<string> faults = [];
        NodeSettings? settings = null;
        try
        {
            settings = SettingSources.Read(parse, NodeOptions.Light);
        }
        catch (P2pConfigException error)
        {
            faults.AddRange(error.Faults);
        }

        TimeSpan timeout = ReadTime(Timeout.Name, parse.GetValue(Timeout), LongestTimeout, faults);
        string peer = parse.GetValue(Peer)!;
        if (!Multiaddr.TryParse(peer, out Multiaddr? address))
        {
            faults.Add($"{Peer.Name}: '{peer}' is not a multiaddr; write e.g. /ip4/192.0.2.1/tcp/9000/p2p/16Uiu2…");
        }

        Work work = prepare(parse, faults);
        if (faults.Count != 0 || settings is null)
        {
            throw new P2pConfigException(faults);
        }

        return await RunAsync(settings, address!, timeout, work).ConfigureAwait(false);
    }

    private static async Task<ExitCode> RunAsync(NodeSettings settings, Multiaddr address, TimeSpan timeout, Work work)
    {
        using StopSignals signals = new();
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
        deadline.CancelAfter(timeout);

        // What is asked for in parts may wait for its turn each time, too.
        void Renew() => deadline.CancelAfter(timeout + (settings.Node.RateLimit.Enabled ? settings.Node.RateLimit.Window : TimeSpan.Zero));
        using ILoggerFactory loggers = Loggers.Create(settings.LogLevel ?? LogLevel.Error);
        try
        {
            await using LightPeer light = await LightPeer.JoinAsync(settings.Node, address, loggers, deadline.Token).ConfigureAwait(false);
            return await work(light, settings, Renew, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (deadline.IsCancellationRequested)
        {
            throw signals.Token.IsCancellationRequested
                ? new CommandException(ExitCode.Interrupted, "interrupted", "interrupted before it was done", error)
                : new CommandException(
                    ExitCode.TimedOut, "timeout", string.Create(CultureInfo.InvariantCulture, $"not done within {timeout.TotalSeconds:0.###} s, talking to {address}"), error);
        }
        catch (NetworkException error)
        {
            throw new CommandException(CodeOf(error.Kind), error.Kind.ToCode(), error.Message, error);
        }
    }

    private static ExitCode CodeOf(NetworkErrorKind kind) => kind switch
    {
        NetworkErrorKind.DialFailed or NetworkErrorKind.GateBlocked or NetworkErrorKind.Disconnect => ExitCode.NoConnection,
        NetworkErrorKind.ReqRespTimeout => ExitCode.TimedOut,
        _ => ExitCode.Refused,
    };

    /// <summary>What a command does once it is connected.</summary>
    /// <param name="light">The connection.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="renew">Begins the time-out anew: something has come, and more is asked for.</param>
    /// <param name="cancellationToken">The deadline, or a signal.</param>
    /// <returns>How the process ends.</returns>
    public delegate Task<ExitCode> Work(LightPeer light, NodeSettings settings, Action renew, CancellationToken cancellationToken);
}
