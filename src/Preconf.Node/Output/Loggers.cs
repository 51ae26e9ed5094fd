using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Preconf.Node.Output;

/// <summary>The program's logs: stderr, always.</summary>
internal static class Loggers
{
    /// <summary>Makes the loggers.</summary>
    /// <param name="level">The least severe level written.</param>
    public static ILoggerFactory Create(LogLevel level) => LoggerFactory.Create(builder =>
    {
        builder.SetMinimumLevel(level);
        builder.AddConsole(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.AddSimpleConsole(options =>
        {
            options.SingleLine = true;
            options.TimestampFormat = "HH:mm:ss.fff ";
            options.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
        });
    });
}
