using System.Globalization;
using System.Net;
using System.Text;
using Preconf.Native.Protocol;

namespace Preconf.Native.Reputation;

/// <summary>
/// The bans of a data directory: a text file, a version line, then per ban the peer id, the end in Unix milliseconds (<c>never</c> for
/// none), the addresses banned with it (<c>-</c> for none), the reason and its words, parted by spaces. Replaced whole, so a crash leaves the old or the new one;
/// one that can't be read at all fails the start, for bans are not lost in silence.
/// </summary>
public sealed class BanFile
{
    private const string Version = "preconf-native bans 1";
    private const string Never = "never";
    private const string NoNetwork = "-";
    private const long MaxBytes = 64L << 20;
    private readonly string _path;

    /// <summary>Names the file; nothing is read yet.</summary>
    /// <param name="path">Its path. Its folder is made when it is written.</param>
    public BanFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
    }

    /// <summary>The bans that <see cref="Open"/> read, ended ones included.</summary>
    public IReadOnlyList<PeerBan> Kept { get; private set; } = [];

    /// <summary>What of the file <see cref="Open"/> did not understand, and where it went; null when all was understood.</summary>
    public string? Loss { get; private set; }

    /// <summary>
    /// Reads the file, so that nothing of it is lost when it is next written: a file that is none is left alone and an error, and one with lines that are no
    /// ban is copied first, to the same name with <c>.bad</c> at its end.
    /// </summary>
    /// <param name="path">Its path.</param>
    /// <returns>The file with its <see cref="Kept"/> bans; none when there is no file.</returns>
    /// <exception cref="IOException">It can't be read or copied, is of another version or larger than 64 MiB.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read, or its copy not be written.</exception>
    public static BanFile Open(string path)
    {
        BanFile file = new(path);
        file.Kept = file.Read(out int skipped);
        if (skipped != 0)
        {
            File.Copy(path, path + ".bad", overwrite: true);
            file.Loss = $"{path}: {skipped} lines are no ban; the file as it was is {path}.bad";
        }

        return file;
    }

    /// <summary>Reads the bans.</summary>
    /// <param name="skipped">Lines that are no ban.</param>
    /// <returns>The bans, ended ones included; none when there is no file.</returns>
    /// <exception cref="IOException">It can't be read, is of another version or larger than 64 MiB.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public IReadOnlyList<PeerBan> Read(out int skipped)
    {
        skipped = 0;
        List<PeerBan> bans = [];
        if (!File.Exists(_path) && !Directory.Exists(_path))
        {
            return bans;
        }

        if (File.Exists(_path) && new FileInfo(_path).Length > MaxBytes)
        {
            throw new IOException($"{_path}: larger than {MaxBytes} bytes; it is no file of bans, move it away");
        }

        using StreamReader lines = new(_path, Encoding.UTF8);
        if (lines.ReadLine() != Version)
        {
            throw new IOException($"{_path}: does not begin with '{Version}'; move it away");
        }

        while (lines.ReadLine() is { } line)
        {
            if (TryParse(line, out PeerBan? ban))
            {
                bans.Add(ban);
            }
            else
            {
                skipped++;
            }
        }

        return bans;
    }

    /// <summary>Replaces the file.</summary>
    /// <param name="bans">All bans.</param>
    /// <exception cref="IOException">It can't be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public void Write(IEnumerable<PeerBan> bans)
    {
        ArgumentNullException.ThrowIfNull(bans);
        StringBuilder text = new();
        text.Append(Version).Append('\n');
        foreach (PeerBan ban in bans)
        {
            string end = ban.Until == DateTimeOffset.MaxValue ? Never : ban.Until.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);
            text.Append(ban.Peer).Append(' ').Append(end).Append(' ').Append(ban.Network?.ToString() ?? NoNetwork).Append(' ').Append(ban.Reason).Append(' ')
                .Append(string.Concat((ban.Detail ?? string.Empty).Select(letter => char.IsControl(letter) ? ' ' : letter))).Append('\n');
        }

        string next = _path + ".new";
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
        using (FileStream file = new(next, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, _path, overwrite: true);
    }

    private static bool TryParse(string line, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PeerBan? ban)
    {
        ban = null;
        string[] words = line.Split(' ', 5);
        IPNetwork network = default;
        if (words.Length < 4 || !PeerId.TryParse(words[0], out PeerId? peer) || !TryEnd(words[1], out DateTimeOffset until)
            || (words[2] != NoNetwork && !IPNetwork.TryParse(words[2], out network)) || !Enum.TryParse(words[3], out ReputationReason reason) || reason is not (ReputationReason.Banned or ReputationReason.BannedByHost))
        {
            return false;
        }

        string? detail = words.Length == 5 && words[4].Length != 0 ? words[4][..Math.Min(words[4].Length, ReputationEntry.MaxDetail)] : null;
        ban = new PeerBan(peer, until, reason, detail, words[2] == NoNetwork ? null : network);
        return true;
    }

    private static bool TryEnd(string text, out DateTimeOffset until)
    {
        until = DateTimeOffset.MaxValue;
        if (text == Never)
        {
            return true;
        }

        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long unix) || unix > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
        {
            return false;
        }

        until = DateTimeOffset.FromUnixTimeMilliseconds(unix);
        return true;
    }
}
