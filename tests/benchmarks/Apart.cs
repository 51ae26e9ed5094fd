using System.Diagnostics;
using System.Text.Json;
using Preconf.Native.Benchmarks.Report;

namespace Preconf.Native.Benchmarks;

/// <summary>Runs programs that print results, a line of JSON each.</summary>
internal static class Apart
{
    /// <summary>Longer than any scenario's run takes.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Longer than all runs of the ring take.</summary>
    public static readonly TimeSpan Long = TimeSpan.FromMinutes(30);

    /// <summary>This program with these arguments: started by its own executable, or by `dotnet exec`.</summary>
    public static string[] Self(params string[] arguments)
    {
        string host = Environment.ProcessPath!;
        string[] before = Path.GetFileNameWithoutExtension(host) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : [];
        return [host, .. before, .. arguments];
    }

    /// <summary>Runs a command to its end; its errors go to this program's.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    /// <exception cref="TimeoutException">It did not end in time, and was killed.</exception>
    public static async Task<List<Result>> RunAsync(string[] command, TimeSpan patience)
    {
        string shown = Path.GetFileName(command[0]) + " " + string.Join(' ', command[1..]);
        using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{shown} did not start");
        using CancellationTokenSource enough = new(patience);
        string output;
        try
        {
            output = await process.StandardOutput.ReadToEndAsync(enough.Token);
            await process.WaitForExitAsync(enough.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{shown} did not end within {patience}");
        }

        return process.ExitCode == 0
            ? [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, DocumentJson.Default.Result)!)]
            : throw new InvalidOperationException($"{shown} failed with {process.ExitCode}; its words are above");
    }
}
