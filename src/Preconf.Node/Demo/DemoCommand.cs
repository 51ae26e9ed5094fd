using System.CommandLine;

namespace Preconf.Node.Demo;

/// <summary><c>demo</c>: six real processes on loopback, from blocks to a checked end, in under a minute.</summary>
internal static class DemoCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(55);

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Command command = new("demo", "Show it all: a preconfer, followers over TCP and QUIC, a hostile peer and a late joiner, each a process, on loopback.");
        command.SetAction(async (_, _) => (int)await RunAsync().ConfigureAwait(false));
        return command;
    }

    private static async Task<ExitCode> RunAsync()
    {
        using StopSignals signals = new();
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
        limit.CancelAfter(Limit);
        using Demonstration demonstration = new();
        try
        {
            await demonstration.RunAsync(limit.Token).ConfigureAwait(false);
            return ExitCode.Ok;
        }
        catch (Exception error) when (signals.Token.IsCancellationRequested)
        {
            // Ctrl-C reaches the nodes too, so what fails now fails for that.
            throw new CommandException(ExitCode.Interrupted, "interrupted", "interrupted; all nodes are stopped", error);
        }
        catch (OperationCanceledException error) when (limit.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut, "demo", $"not done within {Limit.TotalSeconds} s: it was still waiting until {demonstration.Waiting}", error);
        }
    }
}
