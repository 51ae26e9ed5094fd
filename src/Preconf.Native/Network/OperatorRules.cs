using System.Text;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>
/// The operator's blocks and protected peers. What is set at run time is kept in a file of the data directory: a line a rule,
/// <c>block TARGET</c> or <c>protect PEER</c>. The file is replaced as a whole, so a crash leaves the old or the new one.
/// </summary>
internal sealed class OperatorRules
{
    /// <summary>Protected peers; also the native part's bound of blocked targets, bans' among them.</summary>
    public const int MaxRules = 4096;

    /// <summary>Blocked targets: the rest of <see cref="MaxRules"/> is kept for the addresses of bans.</summary>
    public const int MaxBlocked = 3072;

    private const string Block = "block ";
    private const string Protect = "protect ";
    private const long MaxFileBytes = 1 << 20;

    private readonly Lock _lock = new();
    private readonly Lock _writing = new();
    private readonly string? _file;
    private readonly HashSet<BlockTarget> _blocked = [];
    private readonly HashSet<PeerId> _protected = [];
    private readonly HashSet<BlockTarget> _configuredBlocked;
    private readonly HashSet<PeerId> _configuredProtected;
    private readonly HashSet<PeerId> _static;

    private OperatorRules(GaterOptions options, string? file, IEnumerable<PeerId> staticPeers)
    {
        _file = file;
        _static = [.. staticPeers];
        _configuredBlocked = [.. options.BlockedSubnets.Concat(options.Blocked).Select(BlockTarget.Parse)];
        _configuredProtected = [.. options.ProtectedPeers.Select(PeerId.Parse)];
    }

    /// <summary>Held while a rule is set here and in the native part, so that both agree on which of two came last.</summary>
    public Lock Changing { get; } = new();

    /// <summary>All that is blocked now, the configured targets among them.</summary>
    public IReadOnlyList<BlockTarget> Blocked
    {
        get
        {
            lock (_lock)
            {
                return [.. _configuredBlocked.Union(_blocked)];
            }
        }
    }

    /// <summary>All peers protected now by a rule, the configured ones among them; static peers are beside them.</summary>
    public IReadOnlyList<PeerId> Protected
    {
        get
        {
            lock (_lock)
            {
                return [.. _configuredProtected.Union(_protected)];
            }
        }
    }

    /// <summary>Whether a peer is protected now, by a rule or as a static peer.</summary>
    public bool IsProtected(PeerId peer)
    {
        lock (_lock)
        {
            return _configuredProtected.Contains(peer) || _protected.Contains(peer) || _static.Contains(peer);
        }
    }

    /// <summary>The configured rules, and those kept in a data directory.</summary>
    /// <param name="options">The configuration, already checked.</param>
    /// <param name="dataDirectory">Where rules are kept; null: they end with the node.</param>
    /// <param name="staticPeers">Who is protected without a rule until that is lifted; null for nobody.</param>
    /// <exception cref="NetworkException">The file can't be read, or a line of it is no rule: blocks are not lost in silence.</exception>
    public static OperatorRules Load(GaterOptions options, string? dataDirectory, IEnumerable<PeerId>? staticPeers = null)
    {
        OperatorRules rules = new(options, dataDirectory is null ? null : FileOf(dataDirectory), staticPeers ?? []);
        if (rules._file is { } file && File.Exists(file))
        {
            try
            {
                rules.Read(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
            {
                throw new NetworkException(NetworkErrorKind.Other, $"the blocks {file}: {error.Message}; repair the file or remove it", error);
            }
        }

        return rules;
    }

    /// <summary>Where a data directory keeps the rules.</summary>
    public static string FileOf(string dataDirectory) => Path.Combine(dataDirectory, "blocks.txt");

    /// <summary>Blocks or unblocks; a configured target that is unblocked is blocked again by the next start.</summary>
    public void SetBlocked(BlockTarget target, bool blocked) => Set(_blocked, _configuredBlocked, target, blocked);

    /// <summary>Protects or unprotects, as <see cref="SetBlocked"/>.</summary>
    public void SetProtected(PeerId peer, bool isProtected)
    {
        Set(_protected, _configuredProtected, peer, isProtected);
        if (!isProtected)
        {
            lock (_lock)
            {
                _static.Remove(peer);
            }
        }
    }

    /// <summary>Writes what was set at run time; all of it that was set before the call is in the file when the task ends.</summary>
    /// <exception cref="NetworkException">It can't be written; the rules hold until the node stops.</exception>
    public async Task SaveAsync(CancellationToken cancellationToken)
    {
        if (_file is not { } file)
        {
            return;
        }

        try
        {
            await Task.Run(() => Replace(file), CancellationToken.None).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new NetworkException(NetworkErrorKind.Other, $"the rule holds, but only until the node stops: {file} could not be written: {error.Message}", error);
        }
    }

    private void Set<T>(HashSet<T> own, HashSet<T> configured, T value, bool on)
    {
        lock (_lock)
        {
            if (on)
            {
                own.Add(value);
            }
            else
            {
                own.Remove(value);
                configured.Remove(value);
            }
        }
    }

    // One at a time, and each with the newest text: the last one to write has all of it.
    private void Replace(string file)
    {
        lock (_writing)
        {
            string fresh = file + ".new";
            FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (FileStream stream = new(fresh, options))
            {
                stream.Write(Encoding.ASCII.GetBytes(Text()));
                stream.Flush(flushToDisk: true);
            }

            File.Move(fresh, file, overwrite: true);
        }
    }

    private string Text()
    {
        StringBuilder text = new();
        lock (_lock)
        {
            foreach (BlockTarget target in _blocked)
            {
                text.Append(Block).Append(target).Append('\n');
            }

            foreach (PeerId peer in _protected)
            {
                text.Append(Protect).Append(peer).Append('\n');
            }
        }

        return text.ToString();
    }

    private void Read(string file)
    {
        if (new FileInfo(file).Length > MaxFileBytes)
        {
            throw new FormatException($"more than {MaxFileBytes} bytes");
        }

        int number = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            if (line.Length != 0 && !TryRead(line))
            {
                throw new FormatException($"line {number} is neither 'block PEER|ADDRESS|SUBNET' nor 'protect PEER'");
            }
        }

        if (Blocked.Count > MaxBlocked || Protected.Count > MaxRules)
        {
            throw new FormatException($"with the configuration's there are more than {MaxBlocked} blocked or {MaxRules} protected");
        }
    }

    private bool TryRead(string line)
    {
        if (line.StartsWith(Block, StringComparison.Ordinal) && BlockTarget.TryParse(line[Block.Length..], out BlockTarget? target))
        {
            SetBlocked(target, true);
            return true;
        }

        if (line.StartsWith(Protect, StringComparison.Ordinal) && PeerId.TryParse(line[Protect.Length..], out PeerId? peer))
        {
            SetProtected(peer, true);
            return true;
        }

        return false;
    }
}
