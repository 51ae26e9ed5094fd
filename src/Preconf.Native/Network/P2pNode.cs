using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Preconf.Native.Crypto;
using Preconf.Native.Diagnostics;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Storage;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>What a host may bring of its own; everything has a default.</summary>
public sealed class P2pNodeServices
{
    /// <summary>
    /// Judges commitments and txlists. Default: the signers of <see cref="P2pConfig.ExpectedSigners"/>, or any with
    /// <see cref="P2pConfig.AnySigner"/>. Called from several threads at once.
    /// </summary>
    public IPreconfValidator? Validator { get; set; }

    /// <summary>Keeps commitments and txlists. Default: in memory, within <see cref="P2pConfig.Store"/>.</summary>
    public ICommitmentStore? Store { get; set; }

    /// <summary>Takes logs, the native part's included. Default: none.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    /// <summary>The clock of limits, ages and time-outs. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

/// <summary>
/// A node of the preconfirmation network: make it, start it, use its <see cref="Handle"/>, stop it. Stopping and disposing
/// work at any moment and from any thread, more than once too. A stopped node does not start again; make a new one.
/// </summary>
public sealed class P2pNode : IAsyncDisposable
{
    private readonly P2pNodeServices _services;
    private readonly byte[] _secret;
    private readonly BanFile? _bans;
    private readonly Lock _gate = new();
    private Task? _starting;
    private NodeCore? _core;
    private bool _stopped;

    private P2pNode(P2pConfig config, P2pNodeServices services, OperatorRules rules, BanFile? bans, byte[] secret)
    {
        Config = config;
        Rules = rules;
        _services = services;
        _secret = secret;
        _bans = bans;
        Span<byte> publicKey = stackalloc byte[33];
        Secp256k1.CompressedPublicKey(secret, publicKey);
        LocalPeerId = PeerId.Parse(NodeHandle.PeerIdOf(publicKey));
        Events = new BroadcastBuffer<NetworkEvent>(NetworkEvent.Weigh, NetworkEvent.Lost);
        LoggerFactory = new GuardedLoggers(services.LoggerFactory);
        Handle = new P2pHandle(this);
    }

    /// <summary>A forgotten node is told to stop.</summary>
    ~P2pNode() => _core?.SignalStop();

    /// <summary>What the node does for its host. Usable before the start for subscribing; commands want a running node.</summary>
    public P2pHandle Handle { get; }

    /// <summary>Who the node is.</summary>
    public PeerId LocalPeerId { get; }

    internal P2pConfig Config { get; }

    internal OperatorRules Rules { get; }

    internal BroadcastBuffer<NetworkEvent> Events { get; }

    internal TimeProvider Time => _services.TimeProvider;

    internal ILoggerFactory LoggerFactory { get; }

    /// <summary>The running node's inside.</summary>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.SendCommandFailed"/>: not started, stopping, or stopped.</exception>
    internal NodeCore Core
    {
        get
        {
            NodeCore? core = Volatile.Read(ref _core);
            if (core is null)
            {
                throw new NetworkException(NetworkErrorKind.SendCommandFailed, "the node has not started; call P2pNode.StartAsync first");
            }

            return core.IsOpen ? core : throw core.Closed();
        }
    }

    internal NodeCore? CoreOrNull => Volatile.Read(ref _core);

    /// <summary>Makes a node: checks the configuration, loads the native library, and reads the key file or makes it. Nothing runs yet.</summary>
    /// <param name="config">What it is told; later changes of it have no effect on fields already read.</param>
    /// <param name="services">What the host brings; null for the defaults.</param>
    /// <returns>The node, not yet started.</returns>
    /// <exception cref="P2pConfigException">The configuration has faults; all are named.</exception>
    /// <exception cref="NativeLibraryException">The native library is missing or of another version.</exception>
    /// <exception cref="NetworkException">The key file, or that of the operator's blocks or of the bans, can't be read, made or understood.</exception>
    public static P2pNode Create(P2pConfig config, P2pNodeServices? services = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        services ??= new P2pNodeServices();
        List<string> faults = [.. config.Validate()];
        if (services.Validator is null && !config.AnySigner && config.ExpectedSigners.Count == 0)
        {
            faults.Add("ExpectedSigners: empty; name the elected preconfers, hand in a Validator with a lookahead, or set AnySigner for a test network");
        }

        if (faults.Count != 0)
        {
            throw new P2pConfigException(faults);
        }

        NativeLibraryProbe.EnsureLoaded();
        P2pNodeServices filled = new()
        {
            Validator = services.Validator ?? DefaultValidator(config),
            Store = services.Store ?? new InMemoryStore(config.Store, services.TimeProvider),
            LoggerFactory = services.LoggerFactory,
            TimeProvider = services.TimeProvider,
        };
        byte[] secret = config.EphemeralKey ? NewSecret() : ReadSecret(config.DataDirectory);
        OperatorRules rules = OperatorRules.Load(config.Gater, config.EphemeralKey ? null : config.DataDirectory, config.StaticPeerIds);
        return new P2pNode(config, filled, rules, config.EphemeralKey ? null : OpenBans(BanFile(config.DataDirectory)), secret);
    }

    /// <summary>Starts the node: when the task ends, its listeners are bound. A second call waits for the first.</summary>
    /// <param name="cancellationToken">Gives the start up; the node is then stopped.</param>
    /// <exception cref="NetworkException">A listener could not be bound, or the node was stopped before.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        Task starting;
        lock (_gate)
        {
            if (_stopped)
            {
                throw new NetworkException(NetworkErrorKind.SendCommandFailed, "the node has been stopped; make a new one with P2pNode.Create");
            }

            starting = _starting ??= Task.Run(StartCore, CancellationToken.None);
        }

        try
        {
            await starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts the node and runs it until it is stopped, cancelled or dies.</summary>
    /// <param name="cancellationToken">Stops the node, in order; the task then ends normally.</param>
    /// <exception cref="NetworkException">It could not start, or its native part died.</exception>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await StartAsync(cancellationToken).ConfigureAwait(false);
            NodeCore core = _core!;
            await core.Finished.WaitAsync(cancellationToken).ConfigureAwait(false);
            if (core.Fault is { } fault)
            {
                throw new NetworkException(NetworkErrorKind.Other, $"the native part of the node died: {fault}");
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Stops the node: closes admission, ends what is in flight with <see cref="NetworkErrorKind.SendCommandFailed"/>, and waits, at most
    /// <see cref="P2pConfig.StopTimeout"/>, until no native thread is left. If native code does not come to rest, its memory is left alone, the log says so, and
    /// streams of events end without <see cref="NetworkEventKind.Stopped"/>.
    /// </summary>
    /// <param name="cancellationToken">Stops the waiting, not the stopping.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        Task? starting;
        lock (_gate)
        {
            starting = _starting;
            if (!_stopped)
            {
                _stopped = true;
                CryptographicOperations.ZeroMemory(starting is null ? _secret : []);
            }
        }

        if (starting is null)
        {
            Events.Complete();
            return;
        }

        await starting.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        if (_core is not { } core)
        {
            Events.Complete();
            return;
        }

        core.SignalStop();
        try
        {
            await core.Finished.WaitAsync(Config.StopTimeout + TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            core.GiveUp();
        }
    }

    /// <summary>Stops the node; see <see cref="StopAsync"/>.</summary>
    /// <returns>Ends when the node has come to rest.</returns>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    private void StartCore()
    {
        NodeHandle native;
        byte logLevel = NativeLogForwarder.LevelOf(LoggerFactory);
        try
        {
            native = NativeConfig.Start(Config, Rules, _secret, logLevel);
        }
        catch (NativeCallException error)
        {
            throw new NetworkException(NetworkErrorKind.Other, $"the node could not start: {error.Detail}", error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_secret);
        }

        NodeCore core = new(Config, _services, Rules, _bans, native, logLevel, LocalPeerId, Events);
        Volatile.Write(ref _core, core);
        core.Run();
    }

    private static IPreconfValidator DefaultValidator(P2pConfig config) => config.AnySigner
        ? new LocalValidationAdapter(config.Slasher)
        : new AllowedSignersAdapter(config.ExpectedSigners, config.Slasher);

    private static BanFile OpenBans(string path)
    {
        try
        {
            return Reputation.BanFile.Open(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new NetworkException(NetworkErrorKind.Other, $"the bans {path}: {error.Message}; repair the file or move it away", error);
        }
    }

    private static byte[] NewSecret()
    {
        byte[] secret = GC.AllocateArray<byte>(32, pinned: true);
        do
        {
            RandomNumberGenerator.Fill(secret);
        }
        while (!Secp256k1.IsValidSecret(secret));
        return secret;
    }

    private static byte[] ReadSecret(string directory)
    {
        string path = KeyFile(directory);
        try
        {
            if (!OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
            else
            {
                Directory.CreateDirectory(directory);
            }

            return NodeHandle.LoadKey(path, create: true);
        }
        catch (Exception error) when (error is NativeCallException or IOException or UnauthorizedAccessException)
        {
            string why = error is NativeCallException native ? native.Detail : error.Message;
            throw new NetworkException(NetworkErrorKind.Other, $"the node's key {path}: {why}", error);
        }
    }

    /// <summary>Where a data directory keeps bans.</summary>
    /// <param name="dataDirectory">The data directory.</param>
    /// <returns>The path of a text file; see <see cref="Reputation.BanFile"/>.</returns>
    public static string BanFile(string dataDirectory) => Path.Combine(dataDirectory, "bans.txt");

    /// <summary>Where a data directory keeps the node's key.</summary>
    /// <param name="dataDirectory">The data directory.</param>
    /// <returns>The path of the key file: 64 hex digits and a newline, mode 0600.</returns>
    public static string KeyFile(string dataDirectory) => Path.Combine(dataDirectory, "node.key");
}
