using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;

namespace Preconf.Node.Admin;

/// <summary>Talks to the running node of a data directory.</summary>
internal static class AdminClient
{
    /// <summary>Sends one request.</summary>
    /// <param name="dataDirectory">The node's data directory.</param>
    /// <param name="request">Writes the request's properties.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The answer: the result's properties.</returns>
    /// <exception cref="AdminException">The node answered with a failure.</exception>
    /// <exception cref="CommandException">There is no node, or it does not talk as it should.</exception>
    public static async Task<JsonElement> AskAsync(string dataDirectory, Action<Utf8JsonWriter> request, CancellationToken cancellationToken)
    {
        string path = Path.GetFullPath(AdminSocket.PathIn(dataDirectory));
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await ConnectAsync(socket, path, dataDirectory, cancellationToken).ConfigureAwait(false);
        try
        {
            using NetworkStream stream = new(socket, ownsSocket: false);
            await stream.WriteAsync(Line(request), cancellationToken).ConfigureAwait(false);
            byte[] line = await new AdminLine(stream, AdminLine.MaxAnswer).ReadAsync(cancellationToken).ConfigureAwait(false)
                ?? throw new IOException("the node closed the connection");
            using JsonDocument answer = JsonDocument.Parse(line);
            JsonElement root = answer.RootElement.Clone();
            return root.GetProperty("ok").GetBoolean()
                ? root
                : throw new AdminException(root.GetProperty("error").GetString()!, root.GetProperty("text").GetString()!);
        }
        catch (Exception error) when (error is IOException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new CommandException(ExitCode.NoConnection, "disconnect", $"the node at {path}: {error.Message}", error);
        }
    }

    private static async Task ConnectAsync(Socket socket, string path, string dataDirectory, CancellationToken cancellationToken)
    {
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new CommandException(ExitCode.Refused, "denied", $"{path}: only the user who runs the node may talk to it", error);
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            throw new CommandException(
                ExitCode.NoConnection, "not_running", $"no node runs with the data directory {dataDirectory} ({path}: {error.Message}); name another with --data-dir", error);
        }
    }

    private static ReadOnlyMemory<byte> Line(Action<Utf8JsonWriter> request)
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            request(json);
            json.WriteEndObject();
        }

        line.Write("\n"u8);
        return line.WrittenMemory;
    }
}
