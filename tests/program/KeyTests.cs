using System.Text.Json;
using Preconf.Native.Protocol;

namespace Preconf.Node.ProgramTests;

public sealed class KeyTests
{
    [Fact]
    public async Task AKeyIsMadeOnceForItsOwnerAlone()
    {
        using TestFolder folder = new();
        string directory = folder["new/data"];
        Finished made = await ProgramProcess.RunAsync("key", "make", "--data-dir", directory, "--json");
        Assert.Equal(0, made.ExitCode);
        string file = Path.Combine(directory, "node.key");
        Assert.Equal(file, made.Json.GetProperty("file").GetString());
        string content = await File.ReadAllTextAsync(file);
        Assert.Matches("^[0-9a-f]{64}\n$", content);
        Assert.DoesNotContain(content.TrimEnd(), made.Output, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));

        Finished again = await ProgramProcess.RunAsync("key", "make", "--data-dir", directory);
        Assert.Equal(5, again.ExitCode);
        Assert.Contains("error[exists]", again.Errors, StringComparison.Ordinal);
        Assert.Equal(content, await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task WhatIsShownIsWhatTheNodeIs()
    {
        using TestFolder folder = new();
        string key = folder["node.key"];
        Assert.Equal(0, (await ProgramProcess.RunAsync("key", "make", "--out", key)).ExitCode);
        Finished shown = await ProgramProcess.RunAsync("key", "show", "--key", key, "--ip", "192.0.2.7", "--tcp", "9000", "--udp", "9001", "--seq", "5", "--json");
        string peer = shown.Json.GetProperty("peerId").GetString()!;
        Enr record = Enr.Parse(shown.Json.GetProperty("enr").GetString()!);
        Assert.Equal(peer, record.PeerId.ToString());
        Assert.Equal(5UL, record.Sequence);
        Assert.Equal(("192.0.2.7", 9000, 9001), (record.Endpoints.Ip?.ToString(), record.Endpoints.Tcp, record.Endpoints.Udp));

        await using ProgramProcess node = ProgramProcess.Start(
            ["run", "--data-dir", Path.GetDirectoryName(key)!, "--any-signer", "--no-discovery", "--json", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        JsonElement listening = await node.WaitForAsync("listening");
        Assert.Equal(peer, listening.GetProperty("peerId").GetString());

        Finished text = await ProgramProcess.RunAsync("key", "show", "--key", key);
        Assert.Contains(peer, text.Output, StringComparison.Ordinal);
        Assert.Contains(shown.Json.GetProperty("address").GetString()!, text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AKeyThatIsMissingWrongOrOpenToOthersIsRefused()
    {
        using TestFolder folder = new();
        Assert.Equal(4, (await ProgramProcess.RunAsync("key", "show", "--key", folder["none"])).ExitCode);
        string wrong = folder.Write("wrong.key", "00");
        File.SetUnixFileMode(wrong, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(5, (await ProgramProcess.RunAsync("key", "show", "--key", wrong)).ExitCode);
        Finished made = await ProgramProcess.RunAsync("key", "make", "--out", folder["open.key"]);
        Assert.Equal(0, made.ExitCode);
        File.SetUnixFileMode(folder["open.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Finished open = await ProgramProcess.RunAsync("key", "show", "--key", folder["open.key"]);
        Assert.Equal(5, open.ExitCode);
        Assert.Contains("chmod 600", open.Errors, StringComparison.Ordinal);
        Assert.Equal(2, (await ProgramProcess.RunAsync("key", "show", "--key", folder["open.key"], "--ip", "x", "--tcp", "70000")).ExitCode);
    }
}
