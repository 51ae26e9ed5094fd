namespace Preconf.Node.Admin;

/// <summary>A request to a running node that came to nothing. It crosses the socket as a word for scripts and a text for people.</summary>
internal sealed class AdminException(string code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The line is no request: not JSON, no verb, a missing or bad argument.</summary>
    public const string BadRequest = "bad_request";

    /// <summary>The line is longer than <see cref="AdminLine.MaxRequest"/>.</summary>
    public const string TooLong = "too_long";

    /// <summary>The node serves as many clients as it takes.</summary>
    public const string Busy = "busy";

    /// <summary>The node does not have what was asked for.</summary>
    public const string NotFound = "not_found";

    /// <summary>It is understood, and must not be done.</summary>
    public const string Refused = "refused";

    /// <summary>The node's own fault; its log has more.</summary>
    public const string Internal = "internal";

    /// <summary>One of the words above, or the code of a <see cref="Preconf.Native.Network.NetworkErrorKind"/>.</summary>
    public string Code { get; } = code;
}
