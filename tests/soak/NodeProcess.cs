using System.Diagnostics;
using System.Text.Json;

namespace Preconf.Native.Soak;

/// <summary>The program under test, as an operator runs it, and what it says of its peers.</summary>
internal sealed class NodeProcess : IDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly Task _reading;
    private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _peers = [];
    private long _arrivals;
    private long _commitments;

    private NodeProcess(Process process)
    {
        _process = process;
        _reading = Task.Run(ReadAsync);
        process.BeginErrorReadLine();
    }

    /// <summary>Peers connected now, by the node's own events.</summary>
    public int Peers
    {
        get
        {
            lock (_peers)
            {
                return _peers.Count;
            }
        }
    }

    /// <summary>Peers that ever came.</summary>
    public long Arrivals => Volatile.Read(ref _arrivals);

    /// <summary>Commitments that came by gossip and were accepted.</summary>
    public long Commitments => Volatile.Read(ref _commitments);

    public bool HasExited => _process.HasExited;

    /// <summary>What the process takes up now.</summary>
    public Measured Measure()
    {
        _process.Refresh();
        string files = $"/proc/{_process.Id}/fd";
        return new Measured(_process.WorkingSet64 / (1024.0 * 1024), _process.Threads.Count, Directory.Exists(files) ? Directory.GetFileSystemEntries(files).Length : 0);
    }

    public static async Task<(NodeProcess Node, string Address)> StartAsync(int maxPeers)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.FileName = "dotnet";
        foreach (string argument in new[]
        {
            Path.Combine(AppContext.BaseDirectory, "preconf-node.dll"), "run", "--ephemeral-key", "--no-discovery", "--any-signer", "--json", "--log-level", "error",
            "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1",
        })
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["PRECONF_PEERS__MAX"] = $"{maxPeers}";
        start.Environment["PRECONF_STORE__MAX_BYTES"] = $"{8 << 20}";
        NodeProcess node = new(Process.Start(start)!);
        return (node, await node._address.Task.WaitAsync(StartPatience));
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            using JsonDocument json = JsonDocument.Parse(line);
            string name = json.RootElement.GetProperty("event").GetString()!;
            if (name == "listening")
            {
                _address.TrySetResult(json.RootElement.GetProperty("addresses")[0].GetString()!);
            }
            else if (name is "peerConnected" or "peerDisconnected")
            {
                string peer = json.RootElement.GetProperty("peer").GetString()!;
                lock (_peers)
                {
                    _ = name == "peerConnected" ? _peers.Add(peer) : _peers.Remove(peer);
                }

                _arrivals += name == "peerConnected" ? 1 : 0;
            }
            else if (name == "gossipSignedCommitment")
            {
                _commitments++;
            }
            else if (name == "eventsDropped")
            {
                Console.Error.WriteLine($"the node's events are lost: {line}");
            }
        }
    }
}

/// <summary>What a process takes up.</summary>
/// <param name="MiB">Resident memory.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Files">Open files; 0 where the system does not tell.</param>
internal sealed record Measured(double MiB, int Threads, int Files);
