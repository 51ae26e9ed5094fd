using Preconf.Native.Network;
using Preconf.Native.UnitTests.Architecture;
using Preconf.Native.Validation;

namespace Preconf.Native.UnitTests.Network;

public sealed class NetworkErrorTests
{
    [Fact]
    public void EveryKindIsProducedSomewhereAndHasACodeOfItsOwn()
    {
        string[] sources = [.. Directory.EnumerateFiles(DependencyTests.SourceRoot(), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(File.ReadLines)
            .Where(line => !line.TrimStart().StartsWith("///", StringComparison.Ordinal))];
        NetworkErrorKind[] kinds = Enum.GetValues<NetworkErrorKind>();
        Assert.Equal(16, kinds.Select(kind => kind.ToCode()).Distinct().Count());

        // Made with the kind as an argument, or chosen by a switch that feeds one.
        Assert.All(kinds, kind => Assert.Contains(sources, line =>
            line.Contains($"(NetworkErrorKind.{kind},", StringComparison.Ordinal) || line.Contains($"=> NetworkErrorKind.{kind},", StringComparison.Ordinal)
            || line.Contains($"? NetworkErrorKind.{kind}", StringComparison.Ordinal) || line.TrimEnd().EndsWith($"NetworkErrorKind.{kind},", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(ValidationReason.Undecodable, NetworkErrorKind.GossipDecode)]
    [InlineData(ValidationReason.TxListTooLarge, NetworkErrorKind.GossipInvalid)]
    [InlineData(ValidationReason.BadSignature, NetworkErrorKind.GossipValidation)]
    [InlineData(ValidationReason.TxListHashMismatch, NetworkErrorKind.GossipValidation)]
    public void ARejectionIsTheReferencesErrorAndMadeOnce(ValidationReason reason, NetworkErrorKind kind)
    {
        Assert.Equal(kind, GossipErrors.For(reason).Kind);
        Assert.Same(GossipErrors.For(reason), GossipErrors.For(reason));
    }
}
