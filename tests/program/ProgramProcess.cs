using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using System.Text.Json;

// Each test starts processes of its own; side by side they would only wait for each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

// Signals and file modes.
[assembly: UnsupportedOSPlatform("windows")]

namespace Preconf.Node.ProgramTests;

/// <summary>How a run of the program ended.</summary>
public sealed record Finished(int ExitCode, string Output, string Errors)
{
    public JsonElement Json => JsonDocument.Parse(Output.Split('\n')[0]).RootElement;
}

/// <summary>The program as a user starts it: the built dll in a process.</summary>
public sealed partial class ProgramProcess : IAsyncDisposable
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly StringBuilder _errors = new();
    private readonly Task _reading;
    private int _read;

    // A shell starts what it runs in the background with SIGINT ignored, and that goes on to every child: the program could not be interrupted.
    static ProgramProcess()
    {
        const ulong Interrupt = 1UL << (SigInt - 1);
        string? ignored = OperatingSystem.IsLinux() ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) : null;
        if (ignored is not null && (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & Interrupt) != 0)
        {
            SetHandler(SigInt, 0);
        }
    }

    private ProgramProcess(Process process, bool readOutput)
    {
        _process = process;
        _reading = Task.WhenAll(readOutput ? ReadAsync(process.StandardOutput, AddLine) : Task.CompletedTask, ReadAsync(process.StandardError, AddError));
    }

    public int Id => _process.Id;

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    public bool HasExited => _process.HasExited;

    private static string Dll { get; } = Path.GetFullPath(
        typeof(ProgramProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == "Program").Value!);

    public static ProgramProcess Start(string[] arguments, Dictionary<string, string>? environment = null, bool readOutput = true)
    {
        ProcessStartInfo start = new("dotnet", [Dll, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("PRECONF_", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }

        foreach ((string name, string value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        return new ProgramProcess(Process.Start(start)!, readOutput);
    }

    /// <summary>Starts a node for tests and waits for its first line.</summary>
    public static async Task<(ProgramProcess Process, JsonElement Listening)> StartNodeAsync(params string[] arguments)
    {
        ProgramProcess process = Start(["run", "--ephemeral-key", "--no-discovery", "--json", .. arguments]);
        return (process, await process.WaitForAsync("listening"));
    }

    /// <summary>Runs the program to its end.</summary>
    public static async Task<Finished> RunAsync(string[] arguments, Dictionary<string, string>? environment = null)
    {
        await using ProgramProcess process = Start(arguments, environment);
        return await process.FinishAsync();
    }

    public static Task<Finished> RunAsync(params string[] arguments) => RunAsync(arguments, null);

    public static string AddressOf(JsonElement listening, string transport) =>
        listening.GetProperty("addresses").EnumerateArray().Select(address => address.GetString()!).First(address => address.Contains(transport, StringComparison.Ordinal));

    /// <summary>Waits for an event that has not been waited for before.</summary>
    public async Task<JsonElement> WaitForAsync(string name, Func<JsonElement, bool>? also = null, TimeSpan? patience = null)
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            bool ended = _reading.IsCompleted;
            while (NextLine() is { } line)
            {
                JsonElement json = JsonDocument.Parse(line).RootElement;
                if (json.GetProperty("event").GetString() == name && (also is null || also(json)))
                {
                    return json;
                }
            }

            if (ended || Stopwatch.GetElapsedTime(started) > (patience ?? Patience))
            {
                throw new TimeoutException($"no event {name}; the program {(ended ? "has ended" : "runs")}.\n{Text()}\n{Errors}");
            }

            await Task.Delay(10);
        }
    }

    /// <summary>Waits for a line of text that contains something.</summary>
    public async Task<string> WaitForTextAsync(string part)
    {
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Patience)
        {
            while (NextLine() is { } line)
            {
                if (line.Contains(part, StringComparison.Ordinal))
                {
                    return line;
                }
            }

            await Task.Delay(10);
        }

        throw new TimeoutException($"no line with '{part}'.\n{Text()}\n{Errors}");
    }

    public void Signal(int signal) => Signal(_process.Id, signal);

    public static void Signal(int process, int signal) => Assert.Equal(0, Kill(process, signal));

    public void CloseOutput() => _process.StandardOutput.Close();

    /// <summary>Waits for the end.</summary>
    public async Task<Finished> FinishAsync(TimeSpan? patience = null)
    {
        using CancellationTokenSource end = new(patience ?? Patience);
        try
        {
            await _process.WaitForExitAsync(end.Token);
            await _reading.WaitAsync(end.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"the program did not end.\n{Text()}\n{Errors}");
        }

        return new Finished(_process.ExitCode, Text(), Errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    /// <summary>A handler of 0 is the signal's default.</summary>
    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    private static async Task ReadAsync(StreamReader reader, Action<string> add)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                add(line);
            }
        }
        catch (ObjectDisposedException)
        {
            // The test has closed its end.
        }
    }

    private string Text()
    {
        lock (_lines)
        {
            return string.Concat(_lines.Select(line => line + "\n"));
        }
    }

    private string? NextLine()
    {
        lock (_lines)
        {
            return _read < _lines.Count ? _lines[_read++] : null;
        }
    }

    private void AddLine(string line)
    {
        lock (_lines)
        {
            _lines.Add(line);
        }
    }

    private void AddError(string line)
    {
        lock (_errors)
        {
            _errors.AppendLine(line);
        }
    }
}

/// <summary>A folder for one test.</summary>
public sealed class TestFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("preconf-node-");

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
