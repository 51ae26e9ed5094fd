using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace Preconf.Native.ParityTests;

/// <summary>Opens vector files: those beside the tests, or those of the folder that the variable PRECONF_VECTORS names.</summary>
internal static class Vectors
{
    private static readonly ConcurrentDictionary<string, JsonDocument> Open = new();

    private static readonly string[] Conventions = ["bytes", "fill", "input_rule/frame_rule {prefix,repeat,count}", "splitmix64", "uint256"];

    public static string Folder { get; } = Environment.GetEnvironmentVariable("PRECONF_VECTORS") is { Length: > 0 } named
        ? named
        : Path.Combine(Path.GetDirectoryName(typeof(Vectors).Assembly.Location)!, "vectors");

    /// <summary>The root of a JSON file.</summary>
    public static VectorNode Load(string file) =>
        new(Open.GetOrAdd(file, name => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, name)))).RootElement, Path.GetFileName(file));

    /// <summary>The data of a golden file, after a check of what surrounds it.</summary>
    public static VectorNode Data(string file)
    {
        VectorNode root = Load(file);
        Assert.Equal(file, root["file"].Text);
        Assert.Equal(["conventions", "data", "file", "seed", "source"], root.Names.Order(StringComparer.Ordinal));
        Assert.Equal(Conventions, root["conventions"].Names.Order(StringComparer.Ordinal));
        return root["data"];
    }

    /// <summary>Fails unless a file has just the sections that tests exist for.</summary>
    public static void AssertSections(string file, params string[] sections) =>
        Assert.Equal(sections.Order(StringComparer.Ordinal), Data(file).Names.Order(StringComparer.Ordinal));

    /// <summary>
    /// Checks every case of a list. Fails with all that failed, when the list is empty, when not every case was checked, and when a field of a
    /// case was not read.
    /// </summary>
    public static void CheckAll(VectorNode list, Action<VectorNode> check)
    {
        int expected = list.Items.Count;
        Assert.True(expected > 0, $"{list.Path} holds no case");
        int read = 0;
        StringBuilder failures = new();
        int failed = 0;
        foreach (VectorNode item in list.Items)
        {
            string? failure = Try(item, check);
            read++;
            if (failure is not null && ++failed <= 20)
            {
                failures.AppendLine(failure);
            }
        }

        Assert.Equal(expected, read);
        Assert.True(failed == 0, $"{failed} of {expected} cases of {list.Path} failed:\n{failures}");
        AssertAllRead(list);
    }

    public static void AssertAllRead(VectorNode node)
    {
        string[] unread = [.. node.Unread()];
        Assert.True(unread.Length == 0, $"not read: {string.Join(", ", unread.Take(20))}");
    }

    private static string? Try(VectorNode item, Action<VectorNode> check)
    {
        try
        {
            check(item);
            return null;
        }
        catch (Exception error)
        {
            string name = item.Has("name") ? item["name"].Text : item.Has("fn") ? item["fn"].Text : "unnamed";
            return $"{item.Path} ({name}): {error.Message.ReplaceLineEndings(" ")}";
        }
    }
}
