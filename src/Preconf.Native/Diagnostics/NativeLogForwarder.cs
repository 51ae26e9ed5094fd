using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Preconf.Native.Diagnostics;

/// <summary>
/// Brings log lines to the host's loggers, the native part's (category <c>Preconf.Native.{target}</c>) and the node's own, on a task of its
/// own: a logger that is slow or throws delays and ends nothing, and lines beyond the queue are dropped and counted.
/// </summary>
internal sealed partial class NativeLogForwarder
{
    private const int Capacity = 1024;

    // Kept for the node's own lines, so that no crowd of native ones keeps out that the node died.
    private const int OwnCapacity = 256;
    private readonly ILoggerFactory _factory;
    private readonly Channel<Line> _lines;
    private readonly Dictionary<string, ILogger> _loggers = [];
    private long _dropped;

    public NativeLogForwarder(ILoggerFactory factory)
    {
        _factory = factory;
        _lines = Channel.CreateBounded<Line>(new BoundedChannelOptions(Capacity + OwnCapacity) { SingleReader = true, SingleWriter = false, FullMode = BoundedChannelFullMode.Wait });
        Completion = Task.Run(ForwardAsync);
    }

    /// <summary>Ends when the last line has been forwarded after <see cref="Complete"/>.</summary>
    public Task Completion { get; }

    /// <summary>The most verbose level any of the host's loggers takes, as the native part counts: 0 off, 1 error to 5 trace.</summary>
    public static byte LevelOf(ILoggerFactory factory)
    {
        ILogger logger = factory.CreateLogger("Preconf.Native.rust");
        return logger.IsEnabled(LogLevel.Trace) ? (byte)5
            : logger.IsEnabled(LogLevel.Debug) ? (byte)4
            : logger.IsEnabled(LogLevel.Information) ? (byte)3
            : logger.IsEnabled(LogLevel.Warning) ? (byte)2
            : logger.IsEnabled(LogLevel.Error) ? (byte)1
            : (byte)0;
    }

    /// <summary>Takes one line as the native part gives it: target, newline, message. Never blocks.</summary>
    public void Take(uint level, ReadOnlySpan<byte> text)
    {
        int split = text.IndexOf((byte)'\n');
        string target = split < 0 ? "native" : Encoding.UTF8.GetString(text[..split]);
        string message = Encoding.UTF8.GetString(split < 0 ? text : text[(split + 1)..]);
        if (_lines.Reader.Count >= Capacity || !_lines.Writer.TryWrite(new Line(level, target, message, null)))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    /// <summary>
    /// A logger for the node itself, for threads and locks that must not run the host's code: what it is given is logged on this forwarder's task. It
    /// says that every level is enabled; the host's logger is asked there.
    /// </summary>
    /// <param name="name">What follows <c>Preconf.Native.</c> in the category.</param>
    public ILogger LoggerOf(string name) => new OwnLogger(this, name);

    /// <summary>No more lines come.</summary>
    public void Complete() => _lines.Writer.TryComplete();

    private async Task ForwardAsync()
    {
        await foreach (Line line in _lines.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                ILogger logger = LoggerFor(line.Target);
                long dropped = Interlocked.Exchange(ref _dropped, 0);
                if (dropped != 0)
                {
                    LogDropped(logger, dropped);
                }

                Write(logger, in line);
            }
            catch (Exception)
            {
                // A logger of the host that throws must not silence the node; there is nowhere left to say so.
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private static void Write(ILogger logger, in Line line)
    {
        if (line.Own is { } own)
        {
            own(logger);
            return;
        }

        LogLevel level = ToLogLevel(line.Level);
        if (logger.IsEnabled(level))
        {
            LogNative(logger, level, line.Target, line.Message);
        }
    }

    private void Post(string name, Action<ILogger> own)
    {
        if (!_lines.Writer.TryWrite(new Line(0, name, string.Empty, own)))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    private ILogger LoggerFor(string target)
    {
        if (!_loggers.TryGetValue(target, out ILogger? logger))
        {
            logger = _factory.CreateLogger("Preconf.Native." + target.Replace("::", ".", StringComparison.Ordinal));
            _loggers[target] = logger;
        }

        return logger;
    }

    private static LogLevel ToLogLevel(uint level) => level switch
    {
        1 => LogLevel.Error,
        2 => LogLevel.Warning,
        3 => LogLevel.Information,
        4 => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

    [LoggerMessage(Message = "{Target}: {NativeMessage}")]
    private static partial void LogNative(ILogger logger, LogLevel level, string target, string nativeMessage);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Dropped} log lines were dropped because loggers are too slow")]
    private static partial void LogDropped(ILogger logger, long dropped);

    private readonly record struct Line(uint Level, string Target, string Message, Action<ILogger>? Own);

    private sealed class OwnLogger(NativeLogForwarder forwarder, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            forwarder.Post(name, logger =>
            {
                if (logger.IsEnabled(logLevel))
                {
                    logger.Log(logLevel, eventId, state, exception, formatter);
                }
            });
    }
}
