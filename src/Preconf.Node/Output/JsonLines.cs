using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Preconf.Node.Output;

/// <summary>One JSON object a line, each line written whole and at once. A reader that goes away is no failure: what follows is dropped.</summary>
internal sealed class JsonLines(Stream stream)
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = false };
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly Lock _gate = new();
    private bool _closed;

    /// <summary>The lines of this process's stdout.</summary>
    public static JsonLines StandardOutput { get; } = new(Console.OpenStandardOutput());

    /// <summary>Writes a line.</summary>
    /// <param name="write">Writes the object's properties.</param>
    public void Write(Action<Utf8JsonWriter> write)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _line.ResetWrittenCount();
            using (Utf8JsonWriter json = new(_line, Options))
            {
                json.WriteStartObject();
                write(json);
                json.WriteEndObject();
            }

            _line.Write("\n"u8);
            try
            {
                stream.Write(_line.WrittenSpan);
                stream.Flush();
            }
            catch (IOException)
            {
                _closed = true;
            }
        }
    }
}
