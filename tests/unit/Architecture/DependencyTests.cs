using System.Text.RegularExpressions;

namespace Preconf.Native.UnitTests.Architecture;

/// <summary>Who may know whom. A folder of src/Preconf.Native is a duty and a namespace; its sources name what they use.</summary>
public sealed partial class DependencyTests
{
    // What each room may know. A new room, or a new arrow, is a decision: it is made here.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Types"] = [],
        ["Interop"] = [],
        ["Ssz"] = ["Types"],
        ["Crypto"] = ["Types", "Ssz", "Interop"],
        ["Protocol"] = ["Types", "Crypto"],
        ["RateLimiting"] = ["Protocol"],
        ["Reputation"] = ["Protocol"],
        ["Storage"] = ["Types", "Ssz"],
        ["Validation"] = ["Types", "Ssz", "Crypto"],
        ["Diagnostics"] = ["Interop"],
        ["Network"] = ["Types", "Ssz", "Crypto", "Protocol", "RateLimiting", "Reputation", "Storage", "Validation", "Diagnostics", "Interop"],
        ["Sync"] = ["Types", "Ssz", "Protocol", "Network", "Validation", "Storage"],
    };

    [Fact]
    public void EachRoomKnowsOnlyWhomItMay()
    {
        string root = SourceRoot();
        List<string> wrong = [];
        foreach (string folder in Directory.EnumerateDirectories(root).Where(folder => Path.GetFileName(folder) is not ("bin" or "obj")))
        {
            string room = Path.GetFileName(folder);
            if (!Allowed.TryGetValue(room, out string[]? allowed))
            {
                wrong.Add($"{room}: a new room; say in this test whom it may know");
                continue;
            }

            foreach (string file in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
            {
                wrong.AddRange(Rooms().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value).Distinct()
                    .Where(known => known != room && Allowed.ContainsKey(known) && !allowed.Contains(known))
                    .Select(known => $"{room} knows {known}: {Path.GetFileName(file)}"));
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void TheArrowsHaveNoCircle()
    {
        HashSet<string> done = [];
        while (done.Count < Allowed.Count)
        {
            string[] next = [.. Allowed.Where(room => !done.Contains(room.Key) && room.Value.All(done.Contains)).Select(room => room.Key)];
            Assert.NotEmpty(next);
            done.UnionWith(next);
        }
    }

    [Fact]
    public void OnlyTheRoomsThatMustCallNativeCode()
    {
        string[] callers = [.. Directory.EnumerateFiles(SourceRoot(), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(file => File.ReadAllText(file).Contains("NativeMethods.pcn_", StringComparison.Ordinal))
            .Select(file => Path.GetFileName(Path.GetDirectoryName(file)!)).Distinct().Order()];
        Assert.Equal(["Crypto", "Interop"], callers);
    }

    internal static string SourceRoot()
    {
        // Builds map source paths, so the tree is found from where the tests run.
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Preconf.Native.sln")))
        {
            folder = folder.Parent;
        }

        Assert.True(folder is not null, $"no Preconf.Native.sln above {AppContext.BaseDirectory}");
        return Path.Combine(folder.FullName, "src", "Preconf.Native");
    }

    [GeneratedRegex(@"(?:using (?:static )?|[^\w.])Preconf\.Native\.(\w+)\b")]
    private static partial Regex Rooms();
}
