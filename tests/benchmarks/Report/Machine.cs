using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>What a run was made on and with.</summary>
public static class Machine
{
    /// <summary>Processors, system, runtime, and how fast recovery and keccak are here.</summary>
    public static string Describe()
    {
        byte[] page = new byte[128 << 10];
        byte[] secret = new byte[32];
        Array.Fill(secret, (byte)7);
        using PreconfSigner signer = new(secret);
        Bytes32 hash = Keccak256.Hash(page);
        Signature signature = signer.SignHash(in hash);
        double recover = Best(2000, () => PreconfSigning.TryRecover(in hash, in signature, out _));
        double keccak = Best(100, () => Keccak256.Hash(page));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}; recover {recover:F1} us, keccak of 128 KiB {keccak:F0} us");
    }

    private static double Best(int count, Action operation)
    {
        double best = double.PositiveInfinity;
        for (int i = 0; i < 5; i++)
        {
            long started = Stopwatch.GetTimestamp();
            for (int n = 0; n < count; n++)
            {
                operation();
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMicroseconds / count);
        }

        return best;
    }
}
