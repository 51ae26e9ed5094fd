using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Preconf.Native.Diagnostics;

/// <summary>The host's loggers, where what they throw would end something that has nothing to do with logging: it is swallowed, for there is nowhere left to say so.</summary>
internal sealed class GuardedLoggers(ILoggerFactory factory) : ILoggerFactory
{
    public void AddProvider(ILoggerProvider provider) => factory.AddProvider(provider);

    public ILogger CreateLogger(string categoryName) =>
        Try(() => factory.CreateLogger(categoryName)) is { } logger ? new Guarded(logger) : NullLogger.Instance;

    /// <summary>The factory is the host's.</summary>
    public void Dispose()
    {
    }

    private static T? Try<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception)
        {
            return default;
        }
    }

    private sealed class Guarded(ILogger logger) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => Try(() => logger.BeginScope(state));

        public bool IsEnabled(LogLevel logLevel) => Try(() => logger.IsEnabled(logLevel));

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            try
            {
                logger.Log(logLevel, eventId, state, exception, formatter);
            }
            catch (Exception)
            {
                return;
            }
        }
    }
}
