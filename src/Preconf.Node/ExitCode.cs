namespace Preconf.Node;

/// <summary>What the process ends with, so that a script can tell failures apart. The README has the same table.</summary>
internal enum ExitCode
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>Something that should not happen; the text on stderr says what.</summary>
    Unexpected = 1,

    /// <summary>The command line, the environment or the file has faults; all are named.</summary>
    Usage = 2,

    /// <summary>The peer could not be reached, or the connection broke.</summary>
    NoConnection = 3,

    /// <summary>The peer answered, and has nothing of what was asked for.</summary>
    NotFound = 4,

    /// <summary>The peer refused or answered wrongly, a validator refused, or a file is there already.</summary>
    Refused = 5,

    /// <summary>Not done within <c>--timeout</c>.</summary>
    TimedOut = 6,

    /// <summary>The node could not start: a port is taken, a file of the data directory can't be read.</summary>
    CannotStart = 7,

    /// <summary>Stopped by SIGINT or SIGTERM before it was done (<c>run</c> ends with <see cref="Ok"/> then).</summary>
    Interrupted = 130,
}

/// <summary>A command that ends with a failure its user can act on.</summary>
internal sealed class CommandException(ExitCode exitCode, string code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the process ends with.</summary>
    public ExitCode ExitCode { get; } = exitCode;

    /// <summary>The failure's word for scripts: <c>error[code]: …</c>.</summary>
    public string Code { get; } = code;
}
