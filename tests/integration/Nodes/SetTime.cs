namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>A clock that is set: for the ages of a store.</summary>
internal sealed class SetTime : TimeProvider
{
    public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

    public override DateTimeOffset GetUtcNow() => Now;
}
