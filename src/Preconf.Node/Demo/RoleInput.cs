using System.Threading.Channels;

namespace Preconf.Node.Demo;

/// <summary>The lines of stdin; its end cancels what the role does, so that no role outlives its parent.</summary>
internal sealed class RoleInput
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    /// <summary>Starts reading, on a thread of its own that the process does not wait for.</summary>
    /// <param name="stop">Cancelled at the end.</param>
    public RoleInput(CancellationTokenSource stop)
    {
        Thread thread = new(() => Read(stop)) { IsBackground = true, Name = "stdin" };
        thread.Start();
    }

    /// <summary>The next line.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<string> NextAsync(CancellationToken cancellationToken) => _lines.Reader.ReadAsync(cancellationToken);

    private void Read(CancellationTokenSource stop)
    {
        using StreamReader reader = new(Console.OpenStandardInput());
        while (reader.ReadLine() is { } line)
        {
            _lines.Writer.TryWrite(line);
        }

        try
        {
            stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The role has ended before its input.
        }
    }
}
