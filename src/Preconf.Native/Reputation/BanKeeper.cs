namespace Preconf.Native.Reputation;

/// <summary>
/// Writes the bans to their file, beside those who change them: whoever asks does not wait, one write runs at a time, and the last one has
/// the newest. Thread-safe.
/// </summary>
internal sealed class BanKeeper(BanFile file, Func<IEnumerable<PeerBan>> bans, Action<string> failed)
{
    private readonly Lock _gate = new();
    private Task _writing = Task.CompletedTask;
    private bool _wanted;

    /// <summary>Has the bans written as they are now or later.</summary>
    public void Keep()
    {
        lock (_gate)
        {
            if (!_wanted)
            {
                _wanted = true;
                if (_writing.IsCompleted)
                {
                    _writing = Task.Run(Write);
                }
            }
        }
    }

    /// <summary>Ends when all that was to be kept before the call is written, or has failed.</summary>
    public Task KeptAsync()
    {
        lock (_gate)
        {
            return _writing;
        }
    }

    private void Write()
    {
        while (TryBegin())
        {
            try
            {
                file.Write(bans());
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                failed(error.Message);
            }
        }
    }

    // The end of the last write and the next wish can't pass each other: both are under the lock.
    private bool TryBegin()
    {
        lock (_gate)
        {
            bool wanted = _wanted;
            _wanted = false;
            if (!wanted)
            {
                _writing = Task.CompletedTask;
            }

            return wanted;
        }
    }
}
