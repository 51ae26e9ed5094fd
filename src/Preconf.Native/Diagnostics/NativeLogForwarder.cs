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
    private const string OwnName = "Node";
    private static readonly TimeSpan LevelInterval = TimeSpan.FromSeconds(10);

    // The first words of targets. The category of a crate that is missing here only narrows what these take.
    private static readonly string[] Crates =
    [
        "preconf_p2p", "preconf_native", "discv5", "hickory_net", "hickory_proto", "hickory_resolver", "if_watch", "igd_next", "libp2p_autonat", "libp2p_core", "libp2p_dcutr",
        "libp2p_dns", "libp2p_gossipsub", "libp2p_identify", "libp2p_noise", "libp2p_ping", "libp2p_quic", "libp2p_relay", "libp2p_request_response", "libp2p_swarm", "libp2p_tcp",
        "libp2p_tls", "libp2p_upnp", "libp2p_yamux", "multistream_select", "quinn", "quinn_proto", "quinn_udp", "rustls", "yamux",
    ];

    private readonly ILoggerFactory _factory;
    private readonly Channel<Line> _lines;
    private readonly Dictionary<string, ILogger> _loggers = [];
    private readonly Action<byte> _setLevel;
    private readonly Action<ILogger> _follow;
    private readonly ITimer _timer;
    private long _dropped;
    private int _level;

    /// <param name="factory">The host's.</param>
    /// <param name="level">What the native part was told to write, of <see cref="LevelOf"/>.</param>
    /// <param name="setLevel">Tells it otherwise, when the host's loggers take more or less than they did.</param>
    /// <param name="time">When they are asked again.</param>
    public NativeLogForwarder(ILoggerFactory factory, byte level, Action<byte> setLevel, TimeProvider time)
    {
        _factory = factory;
        _level = level;
        _setLevel = setLevel;
        _follow = _ => FollowLevel();
        _lines = Channel.CreateBounded<Line>(new BoundedChannelOptions(Capacity + OwnCapacity) { SingleReader = true, SingleWriter = false, FullMode = BoundedChannelFullMode.Wait });
        Completion = Task.Run(ForwardAsync);
        _timer = time.CreateTimer(static forwarder => ((NativeLogForwarder)forwarder!).AskForLevel(), this, LevelInterval, LevelInterval);
    }

    /// <summary>Ends when the last line has been forwarded after <see cref="Complete"/>.</summary>
    public Task Completion { get; }

    /// <summary>What the native part writes now, as it counts.</summary>
    public byte Level => (byte)Volatile.Read(ref _level);

    /// <summary>
    /// The most verbose level that the host's loggers of the native part's crates take, as the native part counts: 0 off, 1 error to 5 trace. A filter for a
    /// module within a crate says less or more only within what its crate's says.
    /// </summary>
    public static byte LevelOf(ILoggerFactory factory) => Crates.Max(crate => TakenBy(factory.CreateLogger(CategoryOf(crate))));

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
    /// A logger for the node itself (category <c>Preconf.Native.Node</c>), for threads and locks that must not run the host's code: what it is given is
    /// logged on this forwarder's task. It says that every level is enabled; the host's logger is asked there.
    /// </summary>
    public ILogger Own() => new OwnLogger(this);

    /// <summary>No more lines come.</summary>
    public void Complete()
    {
        _timer.Dispose();
        _lines.Writer.TryComplete();
    }

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

    private void Post(Action<ILogger> own)
    {
        if (!_lines.Writer.TryWrite(new Line(0, OwnName, string.Empty, own)))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    // The host's loggers are asked where they log: on this forwarder's task.
    private void AskForLevel() => _ = _lines.Writer.TryWrite(new Line(0, OwnName, string.Empty, _follow));

    private void FollowLevel()
    {
        byte level = 0;
        foreach (string crate in Crates)
        {
            level = Math.Max(level, TakenBy(LoggerFor(crate)));
        }

        if (level != Level)
        {
            Volatile.Write(ref _level, level);
            _setLevel(level);
        }
    }

    private static byte TakenBy(ILogger logger) => logger.IsEnabled(LogLevel.Trace) ? (byte)5
        : logger.IsEnabled(LogLevel.Debug) ? (byte)4
        : logger.IsEnabled(LogLevel.Information) ? (byte)3
        : logger.IsEnabled(LogLevel.Warning) ? (byte)2
        : logger.IsEnabled(LogLevel.Error) ? (byte)1
        : (byte)0;

    private static string CategoryOf(string target) => "Preconf.Native." + target.Replace("::", ".", StringComparison.Ordinal);

    private ILogger LoggerFor(string target)
    {
        if (!_loggers.TryGetValue(target, out ILogger? logger))
        {
            logger = _factory.CreateLogger(CategoryOf(target));
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

    private sealed class OwnLogger(NativeLogForwarder forwarder) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            forwarder.Post(logger =>
            {
                if (logger.IsEnabled(logLevel))
                {
                    logger.Log(logLevel, eventId, state, exception, formatter);
                }
            });
    }
}
