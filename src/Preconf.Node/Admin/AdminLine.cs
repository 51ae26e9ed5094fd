namespace Preconf.Node.Admin;

/// <summary>Lines of a stream, each of a bounded length: what is longer is not read to its end.</summary>
internal sealed class AdminLine(Stream stream, int limit)
{
    /// <summary>The most bytes of a request, without its line feed.</summary>
    public const int MaxRequest = 16 << 10;

    /// <summary>The most bytes of an answer: thousands of peers fit.</summary>
    public const int MaxAnswer = 16 << 20;

    private const int FirstBuffer = 1024;
    private byte[] _buffer = new byte[Math.Min(FirstBuffer, limit + 1)];
    private int _filled;

    /// <summary>Reads a line.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Its bytes without the line feed; null at the end of the stream, where a line without a line feed is none.</returns>
    /// <exception cref="AdminException"><see cref="AdminException.TooLong"/>.</exception>
    /// <exception cref="IOException">The stream broke.</exception>
    public async ValueTask<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int searched = 0;
        while (true)
        {
            int end = Array.IndexOf(_buffer, (byte)'\n', searched, _filled - searched);
            if (end >= 0)
            {
                byte[] line = _buffer[..end];
                _filled -= end + 1;
                Array.Copy(_buffer, end + 1, _buffer, 0, _filled);
                return line;
            }

            searched = _filled;
            if (_filled > limit)
            {
                throw new AdminException(AdminException.TooLong, $"a line of more than {limit} bytes");
            }

            if (_filled == _buffer.Length)
            {
                Array.Resize(ref _buffer, (int)Math.Min(limit + 1L, _buffer.Length * 2L));
            }

            int read = await stream.ReadAsync(_buffer.AsMemory(_filled), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return null;
            }

            _filled += read;
        }
    }
}
