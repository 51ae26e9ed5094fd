using Preconf.Native.Protocol;

namespace Preconf.Native.RateLimiting;

/// <summary>Decides what peers may ask, per peer and protocol. Thread-safe.</summary>
public interface IRequestLimiter
{
    /// <summary>Takes a request's place, if there is one.</summary>
    /// <param name="peer">Who asks.</param>
    /// <param name="protocol">What.</param>
    /// <returns>Zero when taken; else how long until there is one.</returns>
    TimeSpan Take(PeerId peer, RequestProtocol protocol);

    /// <summary>Counts the bytes of an answer. They may exceed what is left: the next request then waits for longer.</summary>
    /// <param name="peer">Who asked.</param>
    /// <param name="protocol">What.</param>
    /// <param name="bytes">Bytes answered; not negative.</param>
    void Charge(PeerId peer, RequestProtocol protocol, long bytes);
}
