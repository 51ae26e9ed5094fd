using System.Buffers;
using System.Net.Sockets;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Preconf.Native.Network;

namespace Preconf.Node.Admin;

/// <summary>Answers a request: gives what writes the answer's properties.</summary>
/// <param name="request">The request, a JSON object.</param>
/// <param name="cancellationToken">The client or the node goes.</param>
/// <exception cref="AdminException">The request came to nothing.</exception>
/// <exception cref="NetworkException">The same, its kind being the word.</exception>
internal delegate ValueTask<Action<Utf8JsonWriter>> AdminAnswer(JsonElement request, CancellationToken cancellationToken);

/// <summary>
/// The running node's socket: a Unix domain socket in its data directory that only its user may use. A request is a line with a JSON object
/// (<c>verb</c> and its arguments), the answer one too: <c>ok</c>, and the result or <c>error</c> and <c>text</c>. A client may send any number
/// of requests, one after the other, and stays until it goes, breaks the line limit or is silent for a minute.
/// </summary>
internal sealed partial class AdminSocket : IAsyncDisposable
{
    /// <summary>Clients served at once; one more is told <see cref="AdminException.Busy"/>.</summary>
    public const int MaxClients = 16;

    private const string FileName = "admin.sock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(100);
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Socket _listener;
    private readonly string _path;
    private readonly AdminAnswer _answer;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;
    private int _clients;

    private AdminSocket(Socket listener, string path, AdminAnswer answer, ILogger logger)
    {
        (_listener, _path, _answer, _logger) = (listener, path, answer, logger);
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Where a data directory has its node's socket.</summary>
    /// <param name="dataDirectory">The data directory.</param>
    public static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, FileName);

    /// <summary>Opens the socket. One that a killed node left behind is replaced.</summary>
    /// <param name="dataDirectory">The data directory; made when it is missing.</param>
    /// <param name="answer">Answers; called from several clients' tasks at once.</param>
    /// <param name="logger">Takes what goes wrong.</param>
    /// <returns>The open socket.</returns>
    /// <exception cref="IOException">It can't be made; the message says why.</exception>
    public static AdminSocket Open(string dataDirectory, AdminAnswer answer, ILogger logger)
    {
        string path = Path.GetFullPath(PathIn(dataDirectory));
        if (IsAnswering(path))
        {
            throw new IOException($"another node runs with this data directory: it answers at {path}");
        }

        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(dataDirectory);
                File.Delete(path);
                listener.Bind(new UnixDomainSocketEndPoint(path));
            }
            else
            {
                BindForOwner(listener, dataDirectory, path);
            }

            listener.Listen(MaxClients);
            return new AdminSocket(listener, path, answer, logger);
        }
        catch (Exception error)
        {
            listener.Dispose();
            throw error is ArgumentException or SocketException or UnauthorizedAccessException
                ? new IOException($"the admin socket {path}: {error.Message}", error)
                : error;
        }
    }

    /// <summary>Closes the socket and every client's connection, and takes the file away.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        try
        {
            File.Delete(_path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(_logger, _path, error.Message);
        }
    }

    // A socket is there for all from its bind to its chmod; in a folder of mode 0700 nobody else gets to it in between.
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    private static void BindForOwner(Socket listener, string dataDirectory, string path)
    {
        Directory.CreateDirectory(dataDirectory, OwnerOnly | UnixFileMode.UserExecute);
        string folder = Path.Combine(Path.GetFullPath(dataDirectory), ".adm");
        Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        File.SetUnixFileMode(folder, OwnerOnly | UnixFileMode.UserExecute);
        string bound = Path.Combine(folder, "sock");
        File.Delete(bound);
        listener.Bind(new UnixDomainSocketEndPoint(bound));
        File.SetUnixFileMode(bound, OwnerOnly);
        File.Move(bound, path, overwrite: true);
        Directory.Delete(folder);
    }

    private static bool IsAnswering(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        try
        {
            using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            return false;
        }
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                Socket client = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
                _ = Task.Run(() => ServeAsync(client));
            }
            catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException error)
            {
                // Out of file descriptors, most likely: it passes.
                LogNotAccepted(_logger, error.Message);
                await Task.Delay(Breath).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        bool welcome = Interlocked.Increment(ref _clients) <= MaxClients;
        using NetworkStream stream = new(socket, ownsSocket: true);
        try
        {
            AdminLine lines = new(stream, AdminLine.MaxRequest);
            while (await ServeOneAsync(lines, stream, welcome).ConfigureAwait(false))
            {
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The client or the node is gone.
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
        }
    }

    private async Task<bool> ServeOneAsync(AdminLine lines, NetworkStream stream, bool welcome)
    {
        bool goesOn = welcome;
        Action<Utf8JsonWriter> answer;
        try
        {
            if (!welcome)
            {
                throw new AdminException(AdminException.Busy, $"{MaxClients} clients are served already; try again");
            }

            using CancellationTokenSource reading = Patience();
            if (await lines.ReadAsync(reading.Token).ConfigureAwait(false) is not { } line)
            {
                return false;
            }

            answer = await AnswerAsync(line).ConfigureAwait(false);
        }
        catch (AdminException error)
        {
            goesOn &= error.Code != AdminException.TooLong;
            answer = Failure(error.Code, error.Message);
        }

        ArrayBufferWriter<byte> text = new();
        using (Utf8JsonWriter json = new(text, Relaxed))
        {
            json.WriteStartObject();
            answer(json);
            json.WriteEndObject();
        }

        text.Write("\n"u8);
        using CancellationTokenSource writing = Patience();
        await stream.WriteAsync(text.WrittenMemory, writing.Token).ConfigureAwait(false);
        return goesOn;
    }

    private CancellationTokenSource Patience()
    {
        CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        patience.CancelAfter(Silence);
        return patience;
    }

    private async Task<Action<Utf8JsonWriter>> AnswerAsync(byte[] line)
    {
        try
        {
            using JsonDocument request = JsonDocument.Parse(line);
            if (request.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new AdminException(AdminException.BadRequest, "a request is a JSON object");
            }

            Action<Utf8JsonWriter> result = await _answer(request.RootElement, _closing.Token).ConfigureAwait(false);
            return json =>
            {
                json.WriteBoolean("ok", true);
                result(json);
            };
        }
        catch (JsonException error)
        {
            return Failure(AdminException.BadRequest, $"not JSON: {error.Message}");
        }
        catch (NetworkException error)
        {
            return Failure(error.Kind.ToCode(), error.Message);
        }
        catch (Exception error) when (error is not (AdminException or OperationCanceledException))
        {
            LogFailed(_logger, error);
            return Failure(AdminException.Internal, error.Message);
        }
    }

    private static Action<Utf8JsonWriter> Failure(string code, string text) => json =>
    {
        json.WriteBoolean("ok", false);
        json.WriteString("error", code);
        json.WriteString("text", text);
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "a request at the admin socket failed")]
    private static partial void LogFailed(ILogger logger, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the admin socket takes no client now: {Error}")]
    private static partial void LogNotAccepted(ILogger logger, string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the admin socket {Path} could not be removed: {Error}")]
    private static partial void LogNotRemoved(ILogger logger, string path, string error);
}
