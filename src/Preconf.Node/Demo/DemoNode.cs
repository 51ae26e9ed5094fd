using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Preconf.Native.Protocol;

namespace Preconf.Node.Demo;

/// <summary>A process of the demonstration, and what it has told so far. Read under <see cref="Demonstration.Gate"/>.</summary>
internal sealed class DemoNode : IDisposable
{
    private const int StderrLines = 20;
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);
    private readonly Process _process;
    private readonly Queue<string> _stderr = [];
    private bool _stopping;

    /// <summary>Starts the process.</summary>
    /// <param name="name">What to call it.</param>
    /// <param name="role">Its role.</param>
    /// <param name="gate">Guards what it tells.</param>
    /// <param name="told">Told of each of its lines, under the gate.</param>
    public DemoNode(string name, string role, Lock gate, Action<DemoNode, JsonElement> told)
    {
        Name = name;
        Role = role;
        ProcessStartInfo start = new()
        {
            FileName = Environment.ProcessPath!,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(DemoNode).Assembly.Location);
        }

        start.ArgumentList.Add(RoleCommand.Name);
        start.ArgumentList.Add(role);
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Take(line.Data, gate, told);
        _process.ErrorDataReceived += (_, line) => TakeError(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>What to call it.</summary>
    public string Name { get; }

    /// <summary>Its role.</summary>
    public string Role { get; }

    /// <summary>Its process id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Whether it must behave.</summary>
    public bool IsHonest => Role != RoleCommand.Hostile;

    /// <summary>Who it is.</summary>
    public string PeerId { get; set; } = string.Empty;

    /// <summary>Where it is dialled.</summary>
    public List<Multiaddr> Addresses { get; } = [];

    /// <summary>Peers it is connected to, by id.</summary>
    public HashSet<string> Peers { get; } = [];

    /// <summary>Peer and topic, of those subscribed.</summary>
    public HashSet<(string Peer, string Topic)> Subscriptions { get; } = [];

    /// <summary>Blocks whose commitment it holds, with the time it took from the slot's start in milliseconds where it came live.</summary>
    public Dictionary<ulong, double?> Commitments { get; } = [];

    /// <summary>Txlists it holds, by hash.</summary>
    public HashSet<string> TxLists { get; } = [];

    /// <summary>What it refused: reason and sender.</summary>
    public List<(string Reason, string Peer)> Refused { get; } = [];

    /// <summary>What it is doing.</summary>
    public string State { get; set; } = "starting";

    /// <summary>Whether it is ready for orders.</summary>
    public bool IsReady { get; set; }

    /// <summary>Why it is not as it should be: a process that ended by itself; null when all is well.</summary>
    public string? Failure
    {
        get
        {
            if (_stopping || !_process.HasExited)
            {
                return null;
            }

            lock (_stderr)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{Name} (process {_process.Id}) ended by itself with {_process.ExitCode}{string.Concat(_stderr.Select(line => "\n  " + line))}");
            }
        }
    }

    /// <summary>Tells it something.</summary>
    /// <param name="line">A line for its stdin.</param>
    public void Order(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>Gives it its first order.</summary>
    /// <param name="order">What it is told.</param>
    public void Order(RoleOrder order) => Order(JsonSerializer.Serialize(order));

    /// <summary>Closes its stdin and waits for its end.</summary>
    /// <returns>Why that did not work; null when it did.</returns>
    public async Task<string?> StopAsync()
    {
        _stopping = true;
        _process.StandardInput.Close();
        using CancellationTokenSource patience = new(StopPatience);
        try
        {
            await _process.WaitForExitAsync(patience.Token).ConfigureAwait(false);
            return _process.ExitCode == 0 ? null : $"{Name} ended with {_process.ExitCode}";
        }
        catch (OperationCanceledException)
        {
            return $"{Name} did not stop within {StopPatience.TotalSeconds} s";
        }
    }

    /// <summary>Kills the process if it still runs.</summary>
    public void Dispose()
    {
        _stopping = true;
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private void Take(string? line, Lock gate, Action<DemoNode, JsonElement> told)
    {
        if (line is not null)
        {
            using JsonDocument json = JsonDocument.Parse(line);
            lock (gate)
            {
                told(this, json.RootElement);
            }
        }
    }

    private void TakeError(string? line)
    {
        lock (_stderr)
        {
            if (line is not null)
            {
                _stderr.Enqueue(line);
            }

            if (_stderr.Count > StderrLines)
            {
                _stderr.Dequeue();
            }
        }
    }
}
