using Microsoft.Extensions.Logging;
using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Node.Configuration;

/// <summary>All that flags, environment and file can say: a node's configuration and how the program talks.</summary>
internal sealed class NodeSettings
{
    /// <summary>The node's.</summary>
    public P2pConfig Node { get; } = new();

    /// <summary>One JSON object a line on stdout instead of text for people.</summary>
    public bool Json { get; set; }

    /// <summary><c>run</c> fetches what it lacks from its peers, at the start and whenever something is missing.</summary>
    public bool CatchUp { get; set; } = true;

    /// <summary>The lowest block that <c>run</c> fetches; null: all that is to be had.</summary>
    public UInt256? CatchUpFrom { get; set; }

    /// <summary>The least severe log line that stderr gets; null: as the command has it.</summary>
    public LogLevel? LogLevel { get; set; }

    /// <summary>Variables of the environment that look like settings and are none: perhaps misspelt.</summary>
    public IReadOnlyList<string> UnknownVariables { get; init; } = [];
}
